//! The shape of a call: which members it needs, and what their texts, numbers and words may be (W-3, W-7, W-8).
//!
//! A server checks its requests before anything else is looked at (ST-4), by the same limits. Imports client for
//! them. Never: what a value means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::model::Request;
use super::outcome::Happened;
use super::read::Problem;
use crate::client::shape::{self, Number, Text, Violations};
use crate::domain::state::grant::GrantOperation;

/// `NumberOfBytesType`
const NUMBER_OF_BYTES: Number = Number { min: 1, max: 1024 };
/// `RotationPeriodInDaysType`
const ROTATION_PERIOD: Number = Number { min: 90, max: 2560 };

/// The limits of the text of a member.
fn text_of(member: &str) -> Option<Text> {
    Some(match member {
        "KeyId" | "TargetKeyId" | "SourceKeyId" | "DestinationKeyId" => shape::KEY_ID,
        "AliasName" => shape::ALIAS_NAME,
        "Description" => shape::DESCRIPTION,
        "Policy" | "PolicyText" => shape::POLICY,
        "PolicyName" => shape::POLICY_NAME,
        "GranteePrincipal" | "RetiringPrincipal" => shape::PRINCIPAL_ID,
        "GranteeServicePrincipal" | "RetiringServicePrincipal" => shape::SERVICE_PRINCIPAL,
        "Name" => shape::GRANT_NAME,
        "GrantId" => shape::GRANT_ID,
        "Marker" => shape::MARKER,
        "ReplicaRegion" | "PrimaryRegion" => shape::REGION,
        "CustomKeyStoreId" => shape::CUSTOM_KEY_STORE_ID,
        "CustomKeyStoreName" | "NewCustomKeyStoreName" => shape::CUSTOM_KEY_STORE_NAME,
        "CloudHsmClusterId" => shape::CLOUD_HSM_CLUSTER_ID,
        "TrustAnchorCertificate" => shape::TRUST_ANCHOR_CERTIFICATE,
        "XksKeyId" => shape::XKS_KEY_ID,
        "XksProxyUriEndpoint" => shape::XKS_PROXY_ENDPOINT,
        "XksProxyUriPath" => shape::XKS_PROXY_PATH,
        "XksProxyVpcEndpointServiceName" => shape::XKS_VPC_SERVICE,
        _ => return None,
    })
}

/// The most bytes that a member of bytes holds; each has at least one (W-7).
fn bytes_of(member: &str) -> Option<usize> {
    Some(match member {
        "Plaintext" | "Message" => 4096,
        "CiphertextBlob"
        | "Mac"
        | "Signature"
        | "SharedSecretCiphertextBlob"
        | "EncryptedKeyMaterial"
        | "ImportToken" => 6144,
        "PublicKey" => 8192,
        _ => return None,
    })
}

/// How many bytes a text stands for: those of its base 64, or its own where a case gives them plainly.
fn byte_count(text: &str) -> usize {
    STANDARD
        .decode(text)
        .map_or(text.len(), |bytes| bytes.len())
}

/// The limits of a member that is a whole number.
fn number_of(member: &str) -> Option<Number> {
    Some(match member {
        "Limit" => shape::LIMIT,
        "PendingWindowInDays" => shape::PENDING_WINDOW,
        "NumberOfBytes" => NUMBER_OF_BYTES,
        "RotationPeriodInDays" => ROTATION_PERIOD,
        _ => return None,
    })
}

/// The words that a member may be (W-8), in the order of the model.
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
        ("CreateKey", "KeySpec" | "CustomerMasterKeySpec") => KEY_SPEC,
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
        (_, "ImportType") => &["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"],
        (_, "CustomKeyStoreType") => &["AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"],
        (_, "XksProxyConnectivity") => &["PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"],
        _ => return None,
    })
}

/// The words that a call of an operation cannot do without. Other required members are asked for where they are read,
/// or are filled in by the runner.
fn needed_by(operation: &str) -> &'static [&'static str] {
    match operation {
        "Sign" | "Verify" => &["SigningAlgorithm"],
        "GenerateMac" | "VerifyMac" => &["MacAlgorithm"],
        "DeriveSharedSecret" => &["KeyAgreementAlgorithm"],
        "Encapsulate" | "Decapsulate" => &["EncapsulationAlgorithm"],
        "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext" => &["KeyPairSpec"],
        "GetParametersForImport" => &["WrappingAlgorithm", "WrappingKeySpec"],
        "TagResource" => &["Tags"],
        "UntagResource" => &["TagKeys"],
        _ => &[],
    }
}

/// Refuses a call whose members cannot be what they are (W-3).
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
    for member in needed_by(operation) {
        if params.get(member).is_none_or(|node| node.value().is_null()) {
            violations.missing(&lower(member));
        }
    }
    for (name, node) in params.members()? {
        let path = lower(name);
        match node.value() {
            Value::String(text) if name == "KeyStorePassword" => {
                violations.secret(&path, text, shape::KEY_STORE_PASSWORD);
            }
            Value::String(text) => {
                if let Some(limits) = text_of(name) {
                    violations.text(&path, text, limits);
                }
                if let Some(max) = bytes_of(name) {
                    let count = byte_count(text);
                    if count > max {
                        let must = format!("have length less than or equal to {max}");
                        violations.excess(&path, &must);
                    } else if count == 0 {
                        violations.excess(&path, "have length greater than or equal to 1");
                    }
                }
                if let Some(words) = words_of(operation, name) {
                    violations.word(&path, text, words);
                }
            }
            Value::Object(_) if name == "Policy" => {
                violations.text("policy", &node.value().to_string(), shape::POLICY);
            }
            Value::Number(number) => {
                if let (Some(limits), Some(number)) = (number_of(name), number.as_i64()) {
                    let number = i32::try_from(number).unwrap_or(match number {
                        ..0 => i32::MIN,
                        _ => i32::MAX,
                    });
                    violations.number(&path, Some(number), limits);
                }
            }
            _ => {}
        }
    }
    for (at, tag) in params.list("Tags")?.iter().enumerate() {
        let path = format!("tags.{}.member", at + 1);
        let key = tag.need("TagKey")?;
        violations.text(&format!("{path}.tagKey"), key.text()?, shape::TAG_KEY);
        let value = tag.need("TagValue")?;
        violations.text(&format!("{path}.tagValue"), value.text()?, shape::TAG_VALUE);
    }
    for (at, key) in params.texts("TagKeys")?.iter().enumerate() {
        violations.text(&format!("tagKeys.{}.member", at + 1), key, shape::TAG_KEY);
    }
    if operation == "CreateGrant" {
        let words: Vec<&str> = GrantOperation::ALL.iter().map(|op| op.as_str()).collect();
        for (at, word) in params.texts("Operations")?.iter().enumerate() {
            violations.word(&format!("operations.{}.member", at + 1), word, &words);
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

/// Members that only one of may be there, or that one of must be.
fn together(operation: &str, request: &Request) -> Result<(), &'static str> {
    let has = |member: &str| request.params().get(member).is_some();
    match operation {
        "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext"
            if has("KeySpec") && has("NumberOfBytes") =>
        {
            Err("Please specify either number of bytes or key spec.")
        }
        "ImportKeyMaterial"
            if !has("ValidTo")
                && request
                    .params()
                    .get("ExpirationModel")
                    .is_some_and(|node| node.value() == "KEY_MATERIAL_EXPIRES") =>
        {
            Err("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")
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
