//! Every bound of the system in one place, each with its reason. Sizes are bytes unless a name says otherwise.

/// Longest part of a refused text that an error repeats: enough to recognise it, too little to flood a log.
pub const ECHO_MAX: usize = 256;

/// Longest Region name. The longest of AWS has 17 characters; the rest is room.
pub const REGION_MAX: usize = 64;

/// Longest ARN of any service, as in the IAM model (`arnType`).
pub const ARN_MAX: usize = 2_048;

/// Longest `KeyId` that a caller may send (G-15).
pub const KEY_REF_MAX: usize = 2_048;

/// Longest alias name, `alias/` included (ID-5).
pub const ALIAS_NAME_MAX: usize = 256;

/// Longest grant id accepted on input (ID-11); ours have 64.
pub const GRANT_ID_TEXT_MAX: usize = 128;

/// Longest principal ARN we hold: 37 of frame, 512 of IAM path, 64 of name, with room for long partitions.
pub const PRINCIPAL_ARN_MAX: usize = 640;

/// Longest name of a user, role, session or federated user (IAM: 64).
pub const PRINCIPAL_NAME_MAX: usize = 64;

/// Longest principal that KMS takes as grantee or retiring principal (ID-14).
pub const PRINCIPAL_ID_MAX: usize = 256;

/// Longest immutable principal id (IAM `idType`).
pub const UNIQUE_ID_MAX: usize = 128;

/// Longest service principal (ID-16).
pub const SERVICE_PRINCIPAL_MAX: usize = 128;

/// Longest id of a custom key store (KMS `CustomKeyStoreIdType`).
pub const CUSTOM_KEY_STORE_ID_MAX: usize = 64;

/// Longest grant token (ID-12): 6,144 bytes as base64.
pub const GRANT_TOKEN_CHARS_MAX: usize = 8_192;

/// Grant tokens that one request may carry (ID-12).
pub const GRANT_TOKENS_MAX: usize = 10;

/// Longest display name of an account.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 128;

/// Longest idempotency key that a client may choose: a UUID, or a hash in hex.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 64;

/// Longest name of a condition key in a request: the longest of AWS are `kms:EncryptionContext:` and a context key.
pub const CONTEXT_KEY_CHARS_MAX: usize = 512;

/// Longest value of a condition key in a request: an ARN, with room.
pub const CONTEXT_VALUE_CHARS_MAX: usize = 4_096;

/// Condition keys that a request may bring: far more than AWS defines for KMS.
pub const CONTEXT_KEYS_MAX: usize = 128;

/// Values of one multivalued condition key of a request.
pub const CONTEXT_VALUES_MAX: usize = 64;

/// Bytes of a whole encryption context, keys and values together, as in the KMS guide.
pub const ENCRYPTION_CONTEXT_BYTES_MAX: usize = 8_192;

/// Session tags of one session (STS: 50).
pub const SESSION_TAGS_MAX: usize = 50;

/// Tags in one request: as many as a key may have (E-1), and as many again, so that the refusal of too many tags is
/// `apply`'s to word.
pub const REQUEST_TAGS_MAX: usize = 100;

/// Operations that one CreateGrant may name: the closed list (G-6) has 19; duplicates carry no meaning (G-5).
pub const REQUEST_OPERATIONS_MAX: usize = 64;

/// Pairs of one constraint map as sent; how many a grant may hold is CreateGrant's own rule (G-24).
pub const REQUEST_CONSTRAINT_PAIRS_MAX: usize = 64;

/// Longest address of a node, `host:port`: a DNS name has 253 characters, a port five.
pub const ADDRESS_CHARS_MAX: usize = 260;

/// Questions of one BatchAuthorize: all are decided on one view, which must not be held for long; 1,000 take about a
/// millisecond.
pub const BATCH_QUESTIONS_MAX: usize = 1_000;

/// Violations that one ValidationException tells: an answer must not grow with what is wrong.
pub const VIOLATIONS_MAX: usize = 10;

/// Characters of a wrong value that a ValidationException repeats.
pub const VIOLATION_ECHO_CHARS_MAX: usize = 512;

/// Bytes of an error's message: it travels twice in HTTP/2 trailers, which clients cut at 16 KiB.
pub const ERROR_MESSAGE_BYTES_MAX: usize = 3_072;

/// Bytes of one message of a client: a policy of 128 KiB characters of two bytes each, and room for the rest.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// How long a node works on a request that names no deadline, in milliseconds.
pub const REQUEST_DEADLINE_MS: u64 = 10_000;

/// The longest deadline a request may name, in milliseconds: what waits holds memory.
pub const REQUEST_DEADLINE_MS_MAX: u64 = 60_000;
