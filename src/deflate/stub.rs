//! Stand-ins for the types of the feature `deflate`. No values of them exist.

#![allow(clippy::needless_pass_by_ref_mut, reason = "the signatures are those with the feature")]

use core::convert::Infallible;

use super::{DeflateConfig, DirectionParams};
use crate::error::ProtocolError;

/// A compressor for messages. Without the feature `deflate`, no value of this type exists.
#[derive(Debug)]
pub struct Deflater(Infallible);

/// A decompressor for messages. Without the feature `deflate`, no value of this type exists.
#[derive(Debug)]
pub struct Inflater(Infallible);

impl Deflater {
    /// Returns `None` without the feature `deflate`.
    #[must_use]
    pub const fn new(_coding: DirectionParams, _wishes: &DeflateConfig) -> Option<Self> {
        None
    }

    pub(crate) const fn min_len(&self) -> usize {
        match self.0 {}
    }

    pub(crate) const fn settings(&self) -> (u8, u8) {
        match self.0 {}
    }

    pub(crate) fn alike(&self) -> Self {
        match self.0 {}
    }

    pub(crate) fn deflate(&mut self, _part: &[u8]) -> Vec<u8> {
        match self.0 {}
    }

    pub(crate) fn deflate_last(&mut self, _part: &[u8]) -> Vec<u8> {
        match self.0 {}
    }

    pub(crate) fn reset(&mut self) {
        match self.0 {}
    }
}

impl Inflater {
    /// Returns `None` without the feature `deflate`.
    #[must_use]
    pub const fn new(_coding: DirectionParams) -> Option<Self> {
        None
    }

    pub(crate) fn inflate(
        &mut self,
        _input: &mut &[u8],
        _max_len: usize,
    ) -> Result<&[u8], ProtocolError> {
        match self.0 {}
    }

    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        match self.0 {}
    }
}
