//! No field has a name that a language reserves: Python could not write it at all, others
//! only by another name.

use super::{files, messages, pool};

/// Of AIP-140 (Java, JavaScript, Python), of C++, Kotlin, Rust and Swift. Languages in which
/// generated names begin with a capital or a prefix have no trouble.
const RESERVED: &str = "\
    abstract and arguments as assert async await boolean break byte case catch char class const continue debugger def \
    default del delete do double elif else enum eval except export extends false final finally float for from function \
    global goto if implements import in instanceof int interface is lambda let long native new nonlocal not null or \
    package pass private protected public raise return short static strictfp super switch synchronized this throw \
    throws transient true try typeof var void volatile while with yield \
    alignas alignof and_eq asm auto bitand bitor bool char8_t char16_t char32_t co_await co_return co_yield compl \
    concept const_cast consteval constexpr constinit decltype dynamic_cast explicit extern friend inline mutable \
    namespace noexcept not_eq nullptr operator or_eq register reinterpret_cast requires signed sizeof static_assert \
    static_cast struct template thread_local typedef typeid typename union unsigned using virtual wchar_t xor xor_eq \
    fun object typealias val when \
    become box crate dyn fn gen impl loop macro match mod move mut override priv pub ref self trait type \
    unsafe unsized use where \
    associatedtype deinit defer extension fallthrough fileprivate func guard init inout internal nil open protocol \
    repeat rethrows subscript";

/// `getCaller` of `GetCaller`.
fn lower_first(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

#[test]
fn no_field_and_no_method_is_a_reserved_word() {
    let pool = pool();
    let mut names = Vec::new();
    for message in messages(&pool) {
        names.extend(message.fields().map(|field| (field.full_name().to_owned(), field.name().to_owned())));
        names.extend(message.oneofs().map(|oneof| (oneof.full_name().to_owned(), oneof.name().to_owned())));
    }
    for service in files(&pool).iter().flat_map(|file| file.services().collect::<Vec<_>>()) {
        names.extend(service.methods().map(|method| (method.full_name().to_owned(), lower_first(method.name()))));
    }
    for (name, word) in names {
        assert!(RESERVED.split(' ').all(|reserved| reserved != word), "{name} is a reserved word");
    }
}
