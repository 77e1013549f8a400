//! What the page for clients shows of the programs is in them: those are compiled and run.

#[test]
fn the_excerpts_are_of_the_programs() {
    let page = include_str!("../../../docs/clients.md");
    let (_, errors) = page.split_once("\n## Errors\n").unwrap();
    for (language, program) in [
        ("go", include_str!("../../../clients/go/main.go")),
        ("java", include_str!("../../../clients/java/src/main/java/stillframe/example/Main.java")),
        ("python", include_str!("../../../clients/python/main.py")),
        ("ts", include_str!("../../../clients/typescript/src/main.ts")),
    ] {
        let (_, excerpt) = errors.split_once(&format!("```{language}\n")).unwrap();
        let (excerpt, _) = excerpt.split_once("\n```").unwrap();
        let program: Vec<_> = program.lines().map(str::trim).collect();
        let excerpt: Vec<_> = excerpt.lines().map(str::trim).collect();
        assert!(program.windows(excerpt.len()).any(|lines| lines == excerpt), "{language}");
    }
}
