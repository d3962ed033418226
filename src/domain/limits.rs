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
