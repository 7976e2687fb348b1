//! Keys of objects: one declaration makes the type, its reader, its writer and its row in the reference.

use crate::{Fields, TableWriter};

/// Whether a key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must.
    Required,
    /// Without it the default holds.
    Optional,
    /// An array, possibly empty or absent.
    List,
    /// An array of at least one.
    Several,
}

/// One key of one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name in the file.
    pub name: &'static str,
    /// Whether it must be there.
    pub presence: Presence,
    /// What its value is, with unit: `size`, `duration`, `address`.
    pub shape: &'static str,
    /// What holds without it, in words; empty where it must be there.
    pub default: &'static str,
    /// The least and the most, both included; octets for sizes, seconds for durations.
    pub bound: Option<(u64, u64)>,
    /// What it means.
    pub doc: &'static str,
}

/// A kind of object with its keys.
pub trait Schema: Sized {
    /// Its table in the file.
    const KIND: &'static str;
    /// What it is.
    const DOC: &'static str;
    /// Its keys, in the order in which they are written.
    const KEYS: &'static [Key];

    /// Reads it; faults go into the report. None if a key that must be there is missing or faulty.
    fn read(fields: &mut Fields<'_, '_>) -> Option<Self>;

    /// Writes its keys in canonical form.
    fn write(&self, out: &mut TableWriter);
}

/// Declares a kind of object: a struct with a [`Schema`]. One line for each key:
/// `field: required|optional|list|several Type = "key", "default in words", low..=high;` (bound optional).
#[macro_export]
macro_rules! object {
    (@type required $type:ty) => { $type };
    (@type optional $type:ty) => { Option<$type> };
    (@type list $type:ty) => { Vec<$type> };
    (@type several $type:ty) => { Vec<$type> };
    (@presence required) => { $crate::Presence::Required };
    (@presence optional) => { $crate::Presence::Optional };
    (@presence list) => { $crate::Presence::List };
    (@presence several) => { $crate::Presence::Several };
    (@take required $value:ident) => { $value? };
    (@take optional $value:ident) => { $value };
    (@take list $value:ident) => { $value };
    (@take several $value:ident) => { $value };
    (@bound) => { None };
    (@bound $low:literal $high:literal) => { Some(($low, $high)) };
    (
        $(#[doc = $about:literal])+
        $name:ident = $kind:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $flavour:ident $type:ty = $key:literal, $default:literal
                $(, $low:literal ..= $high:literal)?;
            )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                #[doc = concat!("Default: ", $default, ".")]
                pub $field: $crate::object!(@type $flavour $type),
            )*
        }

        impl $crate::Schema for $name {
            const KIND: &'static str = $kind;
            const DOC: &'static str = concat!($($about),+);
            const KEYS: &'static [$crate::Key] = &[
                $(
                    $crate::Key {
                        name: $key,
                        presence: $crate::object!(@presence $flavour),
                        shape: <$type as $crate::Value>::SHAPE,
                        default: $default,
                        bound: $crate::object!(@bound $($low $high)?),
                        doc: concat!($($doc),+),
                    },
                )*
            ];

            fn read(fields: &mut $crate::Fields<'_, '_>) -> Option<Self> {
                $( let $field = fields.$flavour::<$type>($key); )*
                Some(Self { $( $field: $crate::object!(@take $flavour $field), )* })
            }

            fn write(&self, out: &mut $crate::TableWriter) {
                $( out.$flavour($key, &self.$field); )*
            }
        }
    };
}
