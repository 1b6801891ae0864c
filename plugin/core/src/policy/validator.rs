//! The validators, by their numbers in the table.

/// The list of all validators, with their numbers.
macro_rules! validators {
    ($($(#[$doc:meta])* $name:ident = $id:literal,)*) => {
        /// A check of a pattern's match. The numbers are those in tables.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Validator {
            $($(#[$doc])* $name = $id,)*
        }

        impl Validator {
            /// Returns the validator with this number.
            pub fn from_id(id: u8) -> Option<Self> {
                match id {
                    $($id => Some(Validator::$name),)*
                    _ => None,
                }
            }
        }
    };
}

validators! {
    /// The whole match, without a check.
    Any = 0,
    /// An e-mail address (RFC 5321 section 4.1.2).
    Email = 1,
    /// A payment card (ISO/IEC 7812).
    Card = 2,
    /// An IBAN (ISO 13616).
    Iban = 3,
    /// A US social security number (SSA, POMS RM 10201).
    Ssn = 4,
    /// A telephone number that is known by its form.
    Phone = 5,
    /// A telephone number behind a label, without the label.
    PhoneLabelled = 6,
    /// An IPv4 address, without a product's name before it.
    Ipv4 = 7,
    /// An IPv6 address (RFC 4291).
    Ipv6 = 8,
    /// A MAC address.
    Mac = 9,
    /// A token with GitHub's checksum.
    Checksum = 10,
    /// A token that looks random.
    RandomToken = 11,
    /// An AWS session token.
    SessionToken = 12,
    /// A JWT (RFC 7519).
    Jwt = 13,
    /// The AWS secret access key behind its id.
    SecretAccessKey = 14,
    /// The password of an assignment.
    Password = 15,
    /// The value of an assignment, if it looks random.
    RandomValue = 16,
    /// The password in a URL.
    UrlPassword = 17,
    /// The credentials behind the scheme in an `Authorization` field.
    Authorization = 18,
    /// The credentials behind `Bearer` or `Basic`.
    Credentials = 19,
    /// A password in SQL, between quotes.
    Quoted = 20,
    /// The password in an option of a command.
    Option = 21,
    /// The cookies in the field of a header.
    Cookie = 22,
    /// The password in `user:password@tcp(` and `user/password@//`.
    UserPassword = 23,
    /// No check of its own: the detector is a rule of gitleaks.
    Leak = 24,
    /// A token that is known by its shape, if it looks at least as random as digits.
    ShapedToken = 25,
}

impl Validator {
    /// True if a validator of this kind needs no pattern: the text before a value
    /// announces it, and the text is read from there.
    pub fn reads_text(self) -> bool {
        use Validator::*;
        matches!(self, Password | RandomValue | Authorization | Quoted | Option | Cookie)
    }
}
