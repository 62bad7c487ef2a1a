//! What kernel and agent must agree on: the responder, and the layout of every map.
#![no_std]
