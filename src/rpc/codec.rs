//! Messages on the wire: as prost has them, but counted before they are unpacked.
//!
//! A message can take a hundred times its bytes in memory, an object of one member in a
//! `google.protobuf.Struct` for example. So what it would take is added up along the
//! descriptors of the contract first, without making anything of it, and what would be too much
//! is refused.

mod measure;

use std::marker::PhantomData;

use prost::{Message, Name, bytes::Buf};
use tonic::{
    Status,
    codec::{Codec, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use self::measure::unpacked_bytes;
use super::status::of_transport;

/// What a message may take in memory when it is unpacked.
pub const MAX_UNPACKED_BYTES: usize = 128 << 20;

/// The codec of the contract's services.
#[derive(Clone, Debug)]
pub struct Counted<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Counted<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for Counted<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = CountedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::default().encoder()
    }

    fn decoder(&mut self) -> Self::Decoder {
        CountedDecoder(ProstCodec::<T, U>::default().decoder())
    }
}

/// Counts, then decodes.
#[derive(Clone, Debug)]
pub struct CountedDecoder<U>(ProstDecoder<U>);

impl<U: Message + Name + Default> Decoder for CountedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // It is in one piece.
        if unpacked_bytes(&U::full_name(), buffer.chunk(), MAX_UNPACKED_BYTES).is_none() {
            let why =
                format!("unpacked, the message would take more than {MAX_UNPACKED_BYTES} bytes; send fewer parts");
            return Err(of_transport(Status::resource_exhausted(why)));
        }
        self.0.decode(buffer)
    }
}
