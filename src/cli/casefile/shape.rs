//! The shape of a call: which members it needs, and what their texts, numbers and words may be (W-3, W-7, W-8).
//!
//! A server checks its requests before anything else is looked at (ST-4), by the same limits. Imports client for
//! them. Never: what a value means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::model::Request;
use super::outcome::Happened;
use super::read::{Node, Problem};
use crate::client::shape::{self, Number, Text, Violations};
use crate::domain::state::grant::GrantOperation;

/// `NumberOfBytesType`
const NUMBER_OF_BYTES: Number = Number { min: 1, max: 1024 };
/// `RotationPeriodInDaysType`
const ROTATION_PERIOD: Number = Number { min: 90, max: 2560 };
/// `PlaintextType`
const PLAINTEXT: usize = 4096;
/// `CiphertextType`
const CIPHERTEXT: usize = 6144;
/// `PublicKeyType`
const PUBLIC_KEY: usize = 8192;
/// `AttestationDocumentType`
const ATTESTATION_DOCUMENT: usize = 262_144;

/// The members of every operation in the order of the model; `!` marks those that it requires (W-6).
const OPERATIONS: &[(&str, &str)] = &[
    ("CancelKeyDeletion", "KeyId!"),
    ("ConnectCustomKeyStore", "CustomKeyStoreId!"),
    ("CreateAlias", "AliasName! TargetKeyId!"),
    (
        "CreateCustomKeyStore",
        "CustomKeyStoreName! CloudHsmClusterId TrustAnchorCertificate KeyStorePassword CustomKeyStoreType XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
    ),
    (
        "CreateGrant",
        "KeyId! GranteePrincipal RetiringPrincipal Operations! Constraints GrantTokens Name DryRun GranteeServicePrincipal RetiringServicePrincipal",
    ),
    (
        "CreateKey",
        "Policy Description KeyUsage CustomerMasterKeySpec KeySpec Origin CustomKeyStoreId BypassPolicyLockoutSafetyCheck Tags MultiRegion XksKeyId",
    ),
    (
        "Decapsulate",
        "KeyId! SharedSecretCiphertextBlob! EncapsulationAlgorithm! GrantTokens DryRun",
    ),
    (
        "Decrypt",
        "CiphertextBlob EncryptionContext GrantTokens KeyId EncryptionAlgorithm Recipient DryRun DryRunModifiers",
    ),
    ("DeleteAlias", "AliasName!"),
    ("DeleteCustomKeyStore", "CustomKeyStoreId!"),
    ("DeleteImportedKeyMaterial", "KeyId! KeyMaterialId"),
    (
        "DeriveSharedSecret",
        "KeyId! KeyAgreementAlgorithm! PublicKey! GrantTokens DryRun Recipient",
    ),
    (
        "DescribeCustomKeyStores",
        "CustomKeyStoreId CustomKeyStoreName Limit Marker",
    ),
    ("DescribeKey", "KeyId! GrantTokens"),
    ("DisableKey", "KeyId!"),
    ("DisableKeyRotation", "KeyId!"),
    ("DisconnectCustomKeyStore", "CustomKeyStoreId!"),
    ("EnableKey", "KeyId!"),
    ("EnableKeyRotation", "KeyId! RotationPeriodInDays"),
    (
        "Encapsulate",
        "KeyId! EncapsulationAlgorithm! GrantTokens DryRun",
    ),
    (
        "Encrypt",
        "KeyId! Plaintext! EncryptionContext GrantTokens EncryptionAlgorithm DryRun",
    ),
    (
        "GenerateDataKey",
        "KeyId! EncryptionContext NumberOfBytes KeySpec GrantTokens Recipient DryRun",
    ),
    (
        "GenerateDataKeyPair",
        "EncryptionContext KeyId! KeyPairSpec! GrantTokens Recipient DryRun",
    ),
    (
        "GenerateDataKeyPairWithoutPlaintext",
        "EncryptionContext KeyId! KeyPairSpec! GrantTokens DryRun",
    ),
    (
        "GenerateDataKeyWithoutPlaintext",
        "KeyId! EncryptionContext KeySpec NumberOfBytes GrantTokens DryRun",
    ),
    (
        "GenerateMac",
        "Message! KeyId! MacAlgorithm! GrantTokens DryRun",
    ),
    ("GenerateRandom", "NumberOfBytes CustomKeyStoreId Recipient"),
    ("GetKeyLastUsage", "KeyId!"),
    ("GetKeyPolicy", "KeyId! PolicyName"),
    ("GetKeyRotationStatus", "KeyId!"),
    (
        "GetParametersForImport",
        "KeyId! WrappingAlgorithm! WrappingKeySpec!",
    ),
    ("GetPublicKey", "KeyId! GrantTokens"),
    (
        "ImportKeyMaterial",
        "KeyId! ImportToken! EncryptedKeyMaterial! ValidTo ExpirationModel ImportType KeyMaterialDescription KeyMaterialId",
    ),
    ("ListAliases", "KeyId Limit Marker"),
    (
        "ListGrants",
        "Limit Marker KeyId! GrantId GranteePrincipal GranteeServicePrincipal",
    ),
    ("ListKeyPolicies", "KeyId! Limit Marker"),
    ("ListKeyRotations", "KeyId! IncludeKeyMaterial Limit Marker"),
    ("ListKeys", "Limit Marker ResourceOwners"),
    ("ListResourceTags", "KeyId! Limit Marker"),
    (
        "ListRetirableGrants",
        "Limit Marker RetiringPrincipal RetiringServicePrincipal",
    ),
    (
        "PutKeyPolicy",
        "KeyId! PolicyName Policy! BypassPolicyLockoutSafetyCheck",
    ),
    (
        "ReEncrypt",
        "CiphertextBlob SourceEncryptionContext SourceKeyId DestinationKeyId! DestinationEncryptionContext SourceEncryptionAlgorithm DestinationEncryptionAlgorithm GrantTokens DryRun DryRunModifiers",
    ),
    (
        "ReplicateKey",
        "KeyId! ReplicaRegion! Policy BypassPolicyLockoutSafetyCheck Description Tags",
    ),
    ("RetireGrant", "GrantToken KeyId GrantId DryRun"),
    ("RevokeGrant", "KeyId! GrantId! DryRun"),
    ("RotateKeyOnDemand", "KeyId!"),
    ("ScheduleKeyDeletion", "KeyId! PendingWindowInDays"),
    (
        "Sign",
        "KeyId! Message! MessageType GrantTokens SigningAlgorithm! DryRun",
    ),
    ("TagResource", "KeyId! Tags!"),
    ("UntagResource", "KeyId! TagKeys!"),
    ("UpdateAlias", "AliasName! TargetKeyId!"),
    (
        "UpdateCustomKeyStore",
        "CustomKeyStoreId! NewCustomKeyStoreName KeyStorePassword CloudHsmClusterId XksProxyUriEndpoint XksProxyUriPath XksProxyVpcEndpointServiceName XksProxyVpcEndpointServiceOwner XksProxyAuthenticationCredential XksProxyConnectivity",
    ),
    ("UpdateKeyDescription", "KeyId! Description!"),
    ("UpdatePrimaryRegion", "KeyId! PrimaryRegion!"),
    (
        "Verify",
        "KeyId! Message! MessageType Signature! SigningAlgorithm! GrantTokens DryRun",
    ),
    (
        "VerifyMac",
        "Message! KeyId! MacAlgorithm! Mac! GrantTokens DryRun",
    ),
];

/// What a scenario need not say, for the runner fills it in: the bytes of a message, a text or a signature say nothing to
/// whoever decides. A case of one call that leaves them out is a call without them (W-36).
const FILLED_IN: &[&str] = &[
    "CiphertextBlob",
    "Mac",
    "Message",
    "Plaintext",
    "PublicKey",
    "Signature",
];

/// The members of an operation, each with whether the model requires it. None of an operation that KMS does not have.
fn members_of(operation: &str) -> impl Iterator<Item = (&'static str, bool)> {
    let row = OPERATIONS.iter().find(|(name, _)| *name == operation);
    let members = row.map_or("", |(_, members)| members).split_whitespace();
    members.map(|member| match member.strip_suffix('!') {
        Some(member) => (member, true),
        None => (member, false),
    })
}

/// What a member of the API may be.
#[derive(Clone, Copy)]
enum Shape {
    /// A text.
    Text(Text),
    /// A text that no answer repeats.
    Secret(Text),
    /// Bytes: at least one, at most so many.
    Bytes(usize),
    /// A whole number.
    Number(Number),
    /// One of these words (W-8).
    Word(&'static [&'static str]),
    /// A list of such words: so many at least, so many at most.
    Words(&'static [&'static str], usize, usize),
    /// Tokens of grants.
    GrantTokens,
    /// True or false.
    Flag,
    /// A point in time.
    Date,
    /// A key policy, as a text or as an object.
    Policy,
    /// Pairs of texts.
    Pairs,
    /// `Tags`
    Tags,
    /// `TagKeys`
    TagKeys,
    /// `Operations` of a grant.
    GrantOperations,
    /// `Constraints` of a grant.
    GrantConstraints,
    /// `Recipient`
    Recipient,
    /// The credential of a proxy, which is looked at where stores are.
    Credential,
}

/// The shape of a member, by the operation where two operations have members of one name. `None`: no operation has it.
fn shape_of(operation: &str, member: &str) -> Option<Shape> {
    use Shape as S;
    Some(match member {
        "KeyId" | "TargetKeyId" | "SourceKeyId" | "DestinationKeyId" => S::Text(shape::KEY_ID),
        "AliasName" => S::Text(shape::ALIAS_NAME),
        "Description" => S::Text(shape::DESCRIPTION),
        "Policy" => S::Policy,
        "PolicyText" => S::Text(shape::POLICY),
        "PolicyName" => S::Text(shape::POLICY_NAME),
        "GranteePrincipal" | "RetiringPrincipal" => S::Text(shape::PRINCIPAL_ID),
        "GranteeServicePrincipal" | "RetiringServicePrincipal" => S::Text(shape::SERVICE_PRINCIPAL),
        "Name" => S::Text(shape::GRANT_NAME),
        "GrantId" => S::Text(shape::GRANT_ID),
        "Marker" => S::Text(shape::MARKER),
        "ReplicaRegion" | "PrimaryRegion" => S::Text(shape::REGION),
        "CustomKeyStoreId" => S::Text(shape::CUSTOM_KEY_STORE_ID),
        "CustomKeyStoreName" | "NewCustomKeyStoreName" => S::Text(shape::CUSTOM_KEY_STORE_NAME),
        "CloudHsmClusterId" => S::Text(shape::CLOUD_HSM_CLUSTER_ID),
        "TrustAnchorCertificate" => S::Text(shape::TRUST_ANCHOR_CERTIFICATE),
        "KeyStorePassword" => S::Secret(shape::KEY_STORE_PASSWORD),
        "XksKeyId" => S::Text(shape::XKS_KEY_ID),
        "XksProxyUriEndpoint" => S::Text(shape::XKS_PROXY_ENDPOINT),
        "XksProxyUriPath" => S::Text(shape::XKS_PROXY_PATH),
        "XksProxyVpcEndpointServiceName" => S::Text(shape::XKS_VPC_SERVICE),
        "XksProxyVpcEndpointServiceOwner" => S::Text(shape::ACCOUNT_ID),
        "XksProxyAuthenticationCredential" => S::Credential,
        "KeyMaterialId" => S::Text(shape::KEY_MATERIAL_ID),
        "KeyMaterialDescription" => S::Text(shape::KEY_MATERIAL_DESCRIPTION),
        "Plaintext" | "Message" => S::Bytes(PLAINTEXT),
        "CiphertextBlob"
        | "Mac"
        | "Signature"
        | "SharedSecretCiphertextBlob"
        | "EncryptedKeyMaterial"
        | "ImportToken" => S::Bytes(CIPHERTEXT),
        "PublicKey" => S::Bytes(PUBLIC_KEY),
        "Limit" => S::Number(shape::LIMIT),
        "PendingWindowInDays" => S::Number(shape::PENDING_WINDOW),
        "NumberOfBytes" => S::Number(NUMBER_OF_BYTES),
        "RotationPeriodInDays" => S::Number(ROTATION_PERIOD),
        "BypassPolicyLockoutSafetyCheck" | "DryRun" | "MultiRegion" => S::Flag,
        "ValidTo" => S::Date,
        "EncryptionContext" | "SourceEncryptionContext" | "DestinationEncryptionContext" => {
            S::Pairs
        }
        "Tags" => S::Tags,
        "TagKeys" => S::TagKeys,
        "Operations" => S::GrantOperations,
        "Constraints" => S::GrantConstraints,
        "GrantTokens" => S::GrantTokens,
        // By its shape alone: that it is one which was given out is asked elsewhere.
        "GrantToken" => S::Text(shape::GRANT_TOKEN),
        "Recipient" => S::Recipient,
        "DryRunModifiers" => S::Words(&["IGNORE_CIPHERTEXT"], 0, usize::MAX),
        "ResourceOwners" => S::Words(&["SELF", "OTHER_ACCOUNTS_VIA_RAM"], 1, 2),
        _ => S::Word(words_of(operation, member)?),
    })
}

/// How many bytes a text stands for: those of its base 64, or its own where a case gives them plainly.
pub fn byte_count(text: &str) -> usize {
    STANDARD
        .decode(text)
        .map_or(text.len(), |bytes| bytes.len())
}

/// The words that a member may be (W-8), in the order of the model. A case may say a member of another operation, whose
/// condition key it means.
fn words_of(operation: &str, member: &str) -> Option<&'static [&'static str]> {
    const KEY_SPEC: &[&str] = &[
        "RSA_2048",
        "RSA_3072",
        "RSA_4096",
        "ECC_NIST_P256",
        "ECC_NIST_P384",
        "ECC_NIST_P521",
        "ECC_SECG_P256K1",
        "SYMMETRIC_DEFAULT",
        "HMAC_224",
        "HMAC_256",
        "HMAC_384",
        "HMAC_512",
        "SM2",
        "ML_DSA_44",
        "ML_DSA_65",
        "ML_DSA_87",
        "ECC_NIST_EDWARDS25519",
        "ML_KEM_512",
        "ML_KEM_768",
        "ML_KEM_1024",
    ];
    Some(match (operation, member) {
        ("CreateKey", "KeySpec") => KEY_SPEC,
        // The deprecated member knows no spec that came after it.
        (_, "CustomerMasterKeySpec") => &[
            "RSA_2048",
            "RSA_3072",
            "RSA_4096",
            "ECC_NIST_P256",
            "ECC_NIST_P384",
            "ECC_NIST_P521",
            "ECC_SECG_P256K1",
            "SYMMETRIC_DEFAULT",
            "HMAC_224",
            "HMAC_256",
            "HMAC_384",
            "HMAC_512",
            "SM2",
        ],
        (_, "KeySpec") => &["AES_256", "AES_128"],
        (_, "KeyUsage") => &[
            "SIGN_VERIFY",
            "ENCRYPT_DECRYPT",
            "GENERATE_VERIFY_MAC",
            "KEY_AGREEMENT",
            "ENCAPSULATE_DECAPSULATE",
        ],
        (_, "Origin") => &["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"],
        (_, "SigningAlgorithm") => &[
            "RSASSA_PSS_SHA_256",
            "RSASSA_PSS_SHA_384",
            "RSASSA_PSS_SHA_512",
            "RSASSA_PKCS1_V1_5_SHA_256",
            "RSASSA_PKCS1_V1_5_SHA_384",
            "RSASSA_PKCS1_V1_5_SHA_512",
            "ECDSA_SHA_256",
            "ECDSA_SHA_384",
            "ECDSA_SHA_512",
            "SM2DSA",
            "ML_DSA_SHAKE_256",
            "ED25519_SHA_512",
            "ED25519_PH_SHA_512",
        ],
        (
            _,
            "EncryptionAlgorithm" | "SourceEncryptionAlgorithm" | "DestinationEncryptionAlgorithm",
        ) => &[
            "SYMMETRIC_DEFAULT",
            "RSAES_OAEP_SHA_1",
            "RSAES_OAEP_SHA_256",
            "SM2PKE",
        ],
        (_, "MacAlgorithm") => &[
            "HMAC_SHA_224",
            "HMAC_SHA_256",
            "HMAC_SHA_384",
            "HMAC_SHA_512",
        ],
        (_, "KeyAgreementAlgorithm") => &["ECDH"],
        (_, "EncapsulationAlgorithm") => &["ML_KEM"],
        (_, "KeyPairSpec") => &[
            "RSA_2048",
            "RSA_3072",
            "RSA_4096",
            "ECC_NIST_P256",
            "ECC_NIST_P384",
            "ECC_NIST_P521",
            "ECC_SECG_P256K1",
            "SM2",
            "ECC_NIST_EDWARDS25519",
            "ML_KEM_512",
            "ML_KEM_768",
            "ML_KEM_1024",
        ],
        (_, "MessageType") => &["RAW", "DIGEST", "EXTERNAL_MU"],
        (_, "WrappingAlgorithm") => &[
            "RSAES_PKCS1_V1_5",
            "RSAES_OAEP_SHA_1",
            "RSAES_OAEP_SHA_256",
            "RSA_AES_KEY_WRAP_SHA_1",
            "RSA_AES_KEY_WRAP_SHA_256",
            "SM2PKE",
        ],
        (_, "WrappingKeySpec") => &["RSA_2048", "RSA_3072", "RSA_4096", "SM2"],
        (_, "ExpirationModel") => &["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"],
        (_, "IncludeKeyMaterial") => &["ALL_KEY_MATERIAL", "ROTATIONS_ONLY"],
        (_, "ImportType") => &["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"],
        (_, "CustomKeyStoreType") => &["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"],
        (_, "XksProxyConnectivity") => &["PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"],
        _ => return None,
    })
}

/// Refuses a call whose members cannot be what they are, or that lacks one that it cannot do without (W-3).
///
/// # Errors
/// [`Problem`]: a member that should be a text, a number or a list is something else.
pub fn check(request: &Request) -> Result<Result<(), Happened>, Problem> {
    let (operation, params) = (request.operation(), request.params());
    let mut violations = Violations::new();
    if let Some(key_id) = &request.key_id {
        let member = match operation {
            "CreateAlias" | "UpdateAlias" => "targetKeyId",
            _ => "keyId",
        };
        violations.text(member, key_id, shape::KEY_ID);
    }
    for (member, is_required) in members_of(operation) {
        if is_required && !FILLED_IN.contains(&member) && !is_said(request, member) {
            violations.missing(&lower(member));
        }
    }
    for (name, node) in params.members()? {
        if node.value().is_null() {
            continue;
        }
        if let Some(shape) = shape_of(operation, name) {
            check_member(&mut violations, &params, &node, (name, shape))?;
        }
    }
    let tokens = params.texts("GrantTokens")?;
    let tokens: Vec<String> = tokens
        .into_iter()
        .chain(request.grant_tokens.iter().cloned())
        .collect();
    violations.grant_tokens("grantTokens", &tokens);
    if let Some(message) = violations.message() {
        return Ok(Err(Happened::shape(&message)));
    }
    Ok(together(operation, request).map_err(Happened::shape))
}

/// Whether a request says a member, by itself or as a case names it outside the members.
fn is_said(request: &Request, member: &str) -> bool {
    let has = |member: &str| request.params().get(member).is_some();
    has(member)
        || match member {
            "KeyId" | "TargetKeyId" => request.key_id.is_some() || request.resource.is_some(),
            "DestinationKeyId" => has("same_key"),
            "Policy" => has("PolicyText"),
            _ => false,
        }
}

fn check_member(
    violations: &mut Violations,
    params: &Node<'_>,
    node: &Node<'_>,
    (name, shape): (&str, Shape),
) -> Result<(), Problem> {
    let path = lower(name);
    match shape {
        Shape::Text(limits) => violations.text(&path, node.text()?, limits),
        Shape::Secret(limits) => violations.secret(&path, node.text()?, limits),
        Shape::Bytes(max) => check_bytes(violations, &path, node, max)?,
        Shape::Number(limits) => {
            let number = node.whole()?;
            let number = i32::try_from(number).unwrap_or(match number {
                ..0 => i32::MIN,
                _ => i32::MAX,
            });
            violations.number(&path, Some(number), limits);
        }
        Shape::Word(words) => violations.word(&path, node.text()?, words),
        Shape::Words(words, min, max) => {
            let found = params.texts(name)?;
            if found.len() < min {
                let must = format!("have length greater than or equal to {min}");
                violations.excess(&path, &must);
            }
            violations.list(&path, &found, max);
            for (at, word) in found.iter().enumerate() {
                violations.word(&format!("{path}.{}.member", at + 1), word, words);
            }
        }
        Shape::Flag => drop(node.flag()?),
        Shape::Date => drop(node.scalar()?),
        Shape::Policy => match node.value() {
            Value::Object(_) => violations.text(&path, &node.value().to_string(), shape::POLICY),
            _ => violations.text(&path, node.text()?, shape::POLICY),
        },
        Shape::Pairs => drop(params.pairs(name)?),
        Shape::Tags => {
            for (at, tag) in params.list(name)?.iter().enumerate() {
                let path = format!("{path}.{}.member", at + 1);
                for (part, limits) in [("TagKey", shape::TAG_KEY), ("TagValue", shape::TAG_VALUE)] {
                    let path = format!("{path}.{}", lower(part));
                    match tag.get(part) {
                        Some(text) => violations.text(&path, text.text()?, limits),
                        None => violations.missing(&path),
                    }
                }
            }
        }
        Shape::TagKeys => {
            for (at, key) in params.texts(name)?.iter().enumerate() {
                violations.text(&format!("{path}.{}.member", at + 1), key, shape::TAG_KEY);
            }
        }
        Shape::GrantOperations => {
            let words: Vec<&str> = GrantOperation::ALL.iter().map(|op| op.as_str()).collect();
            for (at, word) in params.texts(name)?.iter().enumerate() {
                violations.word(&format!("{path}.{}.member", at + 1), word, &words);
            }
        }
        Shape::GrantConstraints => {
            node.only(&[
                "EncryptionContextEquals",
                "EncryptionContextSubset",
                "SourceArn",
            ])?;
        }
        Shape::Recipient => {
            node.only(&["KeyEncryptionAlgorithm", "AttestationDocument"])?;
            if let Some(word) = node.get("KeyEncryptionAlgorithm") {
                let path = format!("{path}.keyEncryptionAlgorithm");
                violations.word(&path, word.text()?, &["RSAES_OAEP_SHA_256"]);
            }
            if let Some(document) = node.get("AttestationDocument") {
                let path = format!("{path}.attestationDocument");
                check_bytes(violations, &path, &document, ATTESTATION_DOCUMENT)?;
            }
        }
        // Tokens are looked at together with those that a case names outside the members; a credential with its store.
        Shape::GrantTokens | Shape::Credential => {}
    }
    Ok(())
}

fn check_bytes(
    violations: &mut Violations,
    path: &str,
    node: &Node<'_>,
    max: usize,
) -> Result<(), Problem> {
    let count = byte_count(node.text()?);
    if count > max {
        violations.excess(path, &format!("have length less than or equal to {max}"));
    } else if count == 0 {
        violations.excess(path, "have length greater than or equal to 1");
    }
    Ok(())
}

/// What a call that nothing else refuses still lacks: bytes that a scenario need not say, and the length of a data key
/// (W-36). Told last, so that a case about a key's state or usage need not say them.
pub fn lacking(request: &Request) -> Option<String> {
    let operation = request.operation();
    let has = |member: &str| request.params().get(member).is_some();
    let mut violations = Violations::new();
    let by_document = match operation {
        // Required in all cases but one, though not by the model.
        "Decrypt" | "ReEncrypt" if !ignores_ciphertext(request) => Some(("CiphertextBlob", true)),
        "Decrypt" if request.key_id.is_none() => Some(("KeyId", true)),
        "ReEncrypt" if request.key_id.is_none() => Some(("SourceKeyId", true)),
        _ => None,
    };
    for (member, is_required) in members_of(operation).chain(by_document) {
        let is_told_last = FILLED_IN.contains(&member) || by_document == Some((member, true));
        if is_required && is_told_last && !is_said(request, member) {
            violations.missing(&lower(member));
        }
    }
    violations.message().or_else(|| {
        // Of GenerateDataKeyWithoutPlaintext the page says no such sentence.
        let is_of_no_length =
            operation == "GenerateDataKey" && !has("KeySpec") && !has("NumberOfBytes");
        is_of_no_length.then(|| DATA_KEY_LENGTH.to_owned())
    })
}

/// AWS's sentence on the two ways to say how long a data key is.
const DATA_KEY_LENGTH: &str = "Please specify either number of bytes or key spec.";

/// Whether a dry run does not look at the ciphertext, which it then does not need.
fn ignores_ciphertext(request: &Request) -> bool {
    let params = request.params();
    let is_dry = params
        .get("DryRun")
        .is_some_and(|node| node.value() == true);
    is_dry
        && params
            .texts("DryRunModifiers")
            .is_ok_and(|words| words.iter().any(|word| word == "IGNORE_CIPHERTEXT"))
}

/// Members that only one of may be there, or that one of must be.
fn together(operation: &str, request: &Request) -> Result<(), &'static str> {
    let has = |member: &str| request.params().get(member).is_some();
    match operation {
        "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext"
            if has("KeySpec") && has("NumberOfBytes") =>
        {
            Err(DATA_KEY_LENGTH)
        }
        // Of a key store, the store is looked at first.
        "GenerateRandom" if !has("NumberOfBytes") && !has("CustomKeyStoreId") => {
            Err("NumberOfBytes is required.")
        }
        _ => Ok(()),
    }
}

/// A member as AWS's texts name it.
fn lower(member: &str) -> String {
    let mut letters = member.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::cli::casefile::read_case;

    const SPEC: &str = include_str!("../../../docs/KMS-SEMANTICS.md");

    /// The operations of section G with their members, `!` as there.
    fn of_specification() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let (_, rest) = SPEC.split_once("| operation | class |").unwrap();
        let rows = rest
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        rows.map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            let members = cells[4]
                .split([',', ' '])
                .map(|member| member.trim_matches(|c| matches!(c, '(' | ')')))
                .filter(|member| member.starts_with(|c: char| c.is_ascii_uppercase()));
            (cells[0].trim_start_matches("| "), members.collect())
        })
        .collect()
    }

    /// W-6: what the runner takes is what section G lists, required members included.
    #[test]
    fn members_are_those_of_the_specification() {
        let listed = of_specification();
        assert_eq!(listed.len(), 56);
        let ours: BTreeMap<&str, BTreeSet<&str>> = OPERATIONS
            .iter()
            .map(|(name, members)| (*name, members.split(' ').collect()))
            .collect();
        assert_eq!(ours, listed);
    }

    /// W-7, W-8: every member of every operation has a shape.
    #[test]
    fn every_member_has_a_shape() {
        for (operation, _) in OPERATIONS {
            for (member, _) in members_of(operation) {
                assert!(
                    shape_of(operation, member).is_some(),
                    "{operation}.{member}"
                );
            }
        }
    }

    fn happens(operation: &str, params: Value) -> Result<(), String> {
        let case = serde_json::json!({
            "id": "X", "kind": "api",
            "world": {"region": "us-west-2"},
            "request": {"principal": "arn:aws:iam::111122223333:user/x", "action": format!("kms:{operation}"), "params": params},
            "expected": {"decision": "error"},
        });
        let case = read_case(&case).unwrap();
        let request = &case.steps[0].request;
        match check(request).unwrap() {
            Err(Happened::Refused { message, .. }) => Err(message),
            Err(other) => panic!("{other:?}"),
            Ok(()) => lacking(request).map_or(Ok(()), Err),
        }
    }

    /// W-36: no required member of any operation may be left out of a call, and null is out.
    #[test]
    fn call_without_a_required_member_is_refused() {
        let mut asked = 0;
        for (operation, _) in OPERATIONS {
            let required = members_of(operation).filter(|(_, is_required)| *is_required);
            for (member, _) in required {
                let message = happens(operation, serde_json::json!({member: null})).unwrap_err();
                let told = format!("Value null at '{}' failed", lower(member));
                let is_told_last = FILLED_IN.contains(&member);
                assert!(
                    is_told_last || message.contains(&told),
                    "{operation}: {message}"
                );
                asked += 1;
            }
        }
        assert_eq!(asked, 80);
        for operation in ["Decrypt", "ReEncrypt"] {
            let destination = serde_json::json!({"DestinationKeyId": "x"});
            let message = happens(operation, destination).unwrap_err();
            assert!(message.contains("'ciphertextBlob'"), "{message}");
        }
    }

    /// W-8: no member that is one word, or a list of words, is another.
    #[test]
    fn word_outside_its_enumeration_is_refused() {
        let mut asked = 0;
        for (operation, _) in OPERATIONS {
            for (member, _) in members_of(operation) {
                let word = match shape_of(operation, member) {
                    Some(Shape::Word(_)) => serde_json::json!("NOTHING"),
                    Some(Shape::Words(..) | Shape::GrantOperations) => {
                        serde_json::json!(["NOTHING"])
                    }
                    _ => continue,
                };
                let message = happens(operation, serde_json::json!({member: word})).unwrap_err();
                let told = "Value 'NOTHING' at '";
                assert!(message.contains(told), "{operation}.{member}: {message}");
                asked += 1;
            }
        }
        assert_eq!(asked, 33);
    }

    /// W-36: a data key has one length, said in one way; a ciphertext may be left out of a dry run alone that does not look
    /// at it.
    #[test]
    fn call_needs_what_only_its_page_requires() {
        use serde_json::json;
        let by_spec = json!({"KeyId": "x", "KeySpec": "AES_256"});
        let by_both = json!({"KeyId": "x", "KeySpec": "AES_256", "NumberOfBytes": 32});
        let without = json!({"KeyId": "x"});
        assert_eq!(happens("GenerateDataKey", by_spec), Ok(()));
        for params in [&by_both, &without] {
            let told = happens("GenerateDataKey", params.clone());
            assert_eq!(told, Err(DATA_KEY_LENGTH.to_owned()), "{params}");
        }
        let modified = |is_dry: bool| json!({"KeyId": "x", "DryRun": is_dry, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]});
        let message = happens("Decrypt", modified(false)).unwrap_err();
        assert!(message.contains("'ciphertextBlob'"), "{message}");
        assert_eq!(happens("Decrypt", modified(true)), Ok(()));
    }

    /// W-3, W-7: no text, no bytes and no number of any member may be beyond their limits.
    #[test]
    fn member_beyond_its_limits_is_refused() {
        let mut asked = 0;
        for (operation, _) in OPERATIONS {
            for (member, _) in members_of(operation) {
                let values = match shape_of(operation, member) {
                    Some(Shape::Text(Text { max, .. }) | Shape::Secret(Text { max, .. })) => {
                        vec![Value::from("a".repeat(max + 1))]
                    }
                    Some(Shape::Bytes(max)) => {
                        vec![Value::from("~".repeat(max + 1)), Value::from("")]
                    }
                    Some(Shape::Number(Number { min, max })) => {
                        vec![Value::from(min - 1), Value::from(max + 1)]
                    }
                    _ => continue,
                };
                for value in values {
                    let params = serde_json::json!({member: value});
                    let message = happens(operation, params).unwrap_err();
                    let told = format!(
                        "at '{}' failed to satisfy constraint: Member must have ",
                        lower(member)
                    );
                    assert!(message.contains(&told), "{operation}.{member}: {message}");
                    asked += 1;
                }
            }
        }
        assert!(asked > 150, "{asked}");
    }

    /// W-8: the enumerations are those of the specification.
    #[test]
    fn words_are_those_of_the_specification() {
        let (_, list) = SPEC.split_once("- **W-8** Enumerations (model): ").unwrap();
        let listed: BTreeMap<&str, BTreeSet<&str>> = list
            .lines()
            .next()
            .unwrap()
            .split("; ")
            .map(|entry| {
                let (name, words) = entry.split_once(": ").unwrap();
                (name, words.split(' ').collect())
            })
            .collect();
        for (operation, member, name) in [
            ("CreateKey", "KeySpec", "KeySpec"),
            (
                "CreateKey",
                "CustomerMasterKeySpec",
                "CustomerMasterKeySpec",
            ),
            ("CreateKey", "KeyUsage", "KeyUsageType"),
            ("CreateKey", "Origin", "OriginType"),
            ("GenerateDataKey", "KeySpec", "DataKeySpec"),
            ("Sign", "SigningAlgorithm", "SigningAlgorithmSpec"),
            ("Sign", "MessageType", "MessageType"),
            ("Encrypt", "EncryptionAlgorithm", "EncryptionAlgorithmSpec"),
            ("GenerateMac", "MacAlgorithm", "MacAlgorithmSpec"),
            (
                "DeriveSharedSecret",
                "KeyAgreementAlgorithm",
                "KeyAgreementAlgorithmSpec",
            ),
            (
                "Encapsulate",
                "EncapsulationAlgorithm",
                "EncapsulationAlgorithmSpec",
            ),
            ("GenerateDataKeyPair", "KeyPairSpec", "DataKeyPairSpec"),
            (
                "GetParametersForImport",
                "WrappingAlgorithm",
                "AlgorithmSpec",
            ),
            (
                "GetParametersForImport",
                "WrappingKeySpec",
                "WrappingKeySpec",
            ),
            (
                "ImportKeyMaterial",
                "ExpirationModel",
                "ExpirationModelType",
            ),
            ("ImportKeyMaterial", "ImportType", "ImportType"),
            (
                "ListKeyRotations",
                "IncludeKeyMaterial",
                "IncludeKeyMaterial",
            ),
            (
                "CreateCustomKeyStore",
                "CustomKeyStoreType",
                "CustomKeyStoreType",
            ),
            (
                "CreateCustomKeyStore",
                "XksProxyConnectivity",
                "XksProxyConnectivityType",
            ),
        ] {
            let ours: BTreeSet<&str> = words_of(operation, member)
                .unwrap()
                .iter()
                .copied()
                .collect();
            assert_eq!(ours, listed[name], "{name}");
        }
        for (member, name) in [
            ("DryRunModifiers", "DryRunModifierType"),
            ("ResourceOwners", "ResourceOwnerType"),
        ] {
            let Some(Shape::Words(words, ..)) = shape_of("", member) else {
                panic!("{member}");
            };
            let ours: BTreeSet<&str> = words.iter().copied().collect();
            assert_eq!(ours, listed[name], "{name}");
        }
    }
}
