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

/// Longest key policy, in bytes (P-1).
pub const KEY_POLICY_MAX: usize = 32_768;

/// Longest identity policy, without white space: the sum of a role's inline policies (IAM quota).
pub const IDENTITY_POLICY_MAX: usize = 10_240;

/// Longest permissions boundary, without white space: a managed policy (IAM quota).
pub const BOUNDARY_POLICY_MAX: usize = 6_144;

/// Longest session policy, without white space (STS: 2,048 characters).
pub const SESSION_POLICY_MAX: usize = 2_048;

/// Longest service control policy, without white space (Organizations quota since 2025).
pub const SERVICE_CONTROL_POLICY_MAX: usize = 10_240;

/// Longest resource control policy, without white space (Organizations quota).
pub const RESOURCE_CONTROL_POLICY_MAX: usize = 5_120;

/// Longest VPC endpoint policy, without white space (VPC quota).
pub const VPC_ENDPOINT_POLICY_MAX: usize = 20_480;

/// Longest policy text of any kind, white space included, in bytes: bounds the work of reading (four times P-1).
pub const POLICY_TEXT_MAX: usize = 131_072;

/// Deepest nesting of a policy's JSON. A policy needs 6: document, statements, statement, condition, operator, values.
pub const POLICY_DEPTH_MAX: usize = 16;

/// Longest grant token (ID-12): 6,144 bytes as base64.
pub const GRANT_TOKEN_CHARS_MAX: usize = 8_192;

/// Grant tokens that one request may carry (ID-12).
pub const GRANT_TOKENS_MAX: usize = 10;

/// Grants on a customer managed key, unless the settings say less (G-19: AWS's quota).
pub const GRANTS_PER_KEY_MAX: u32 = 50_000;

/// Keys of one account in one Region (W-5: AWS's quota).
pub const KEYS_PER_ACCOUNT_MAX: usize = 100_000;

/// Aliases of one key (ID-7: AWS's quota).
pub const ALIASES_PER_KEY_MAX: usize = 50;

/// Tags of one key, user or role (E-1).
pub const TAGS_MAX: usize = 50;

/// Longest tag key in characters (E-1).
pub const TAG_KEY_CHARS_MAX: usize = 128;

/// Longest tag value in characters (E-1).
pub const TAG_VALUE_CHARS_MAX: usize = 256;

/// Longest description of a key in characters (W-7).
pub const DESCRIPTION_CHARS_MAX: usize = 8_192;

/// Longest display name of an account in characters (AWS Organizations: 50).
pub const ACCOUNT_NAME_CHARS_MAX: usize = 50;

/// Accounts of a cluster: each costs about a kilobyte of memory on every node; AWS Organizations allows 10,000.
pub const ACCOUNTS_MAX: usize = 10_000;

/// Users and roles of one account (IAM: 5,000 users and up to 5,000 roles).
pub const PRINCIPALS_PER_ACCOUNT_MAX: usize = 10_000;

/// Identity policies of a user or role (IAM: up to 20 managed policies; each is evaluated at every decision).
pub const POLICIES_PER_PRINCIPAL_MAX: usize = 20;

/// Longest name of an identity policy (IAM `policyNameType`).
pub const POLICY_NAME_MAX: usize = 128;

/// Pairs in one constraint of a grant (G-24).
pub const CONSTRAINT_PAIRS_MAX: usize = 8;

/// Longest value of a pair in a constraint, in characters (G-24).
pub const CONSTRAINT_VALUE_CHARS_MAX: usize = 384;

/// Longest name of a grant (G-15).
pub const GRANT_NAME_MAX: usize = 256;

/// Longest and shortest `SourceArn` of a constraint (G-22).
pub const SOURCE_ARN_MAX: usize = 512;
/// See [`SOURCE_ARN_MAX`].
pub const SOURCE_ARN_MIN: usize = 20;

/// Longest marker of a listing (W-7 `MarkerType`).
pub const MARKER_MAX: usize = 1_024;

/// Entries that one page of a filtered listing looks at before it ends early with a marker (G-32 allows fewer than asked):
/// at about 100 ns each, one page holds the core for a millisecond.
pub const LIST_SCAN_MAX: usize = 10_000;

/// Longest idempotency key of a client, in bytes.
pub const IDEMPOTENCY_KEY_MAX: usize = 64;

/// Revisions for which an idempotency record is kept: minutes at full load, days at rest; about 64 MB at the most.
pub const IDEMPOTENCY_HORIZON: u64 = 65_536;

/// Idempotency records dropped by one entry: more than one so that a backlog shrinks, few so that `apply` stays short.
pub const IDEMPOTENCY_DROPS_PER_ENTRY: usize = 8;

/// Token epochs kept: one lives, the others are revoked and tell so to whoever brings one of their tokens.
pub const TOKEN_EPOCHS_MAX: usize = 64;

/// Longest sealed secret of a token epoch: 32 bytes of secret and the sealing's frame, with room for another cipher.
pub const SEALED_SECRET_MAX: usize = 1_024;

/// Longest payload of one stored record. The largest records are a command with a policy document of 131,072 characters
/// (the model's string limit, before P-1 refuses it) of at most 4 bytes, 512 KiB, and a role with all its policies,
/// 20 of at most 32 KiB; everything else of either takes less than 256 KiB.
pub const STORED_RECORD_MAX: usize = 1024 * 1024;
