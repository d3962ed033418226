//! The table of condition keys (SPEC C.4, CK-0 to CK-60): what values a key has, whose they are, who tells them, and
//! which requests carry it.
//!
//! Everything that must know something of every key reads it here: the context of a request, the lint, what a policy
//! is refused for when it is stored, the answers about access. A key of AWS's reference that is not a row would be
//! silently absent, so a test walks the reference. Imports the table of actions, limits.

use super::action::{ActionTarget, KmsAction};
use super::context::{ContextKey, Scalar};
use crate::domain::limits::{DELETION_WINDOW_DAYS_MAX, ROTATION_PERIOD_DAYS};

/// Which requests carry a condition key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Presence {
    /// No request of the action has it (CK-40).
    Never,
    /// Some have it: it is a tag, an optional parameter, or seen by some fronts alone.
    Sometimes,
    /// Every request has it.
    Always,
}

/// How many values a key has (C-8, C-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// One.
    One,
    /// Several, for set operators.
    Many,
}

/// Whose property a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The caller's: the same in all of its requests.
    Caller,
    /// The session's, of a caller that is one; else the caller's.
    Session,
    /// The resource's.
    Resource,
    /// The cluster's: the endpoint that was asked.
    Cluster,
    /// The request's.
    Request,
}

/// Who tells the value of a key. What the server tells is taken from nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// The server computes it.
    Server,
    /// The server computes it where the cluster knows; of what it does not know, a front may state it.
    ServerOrFront,
    /// A member of the request: of an operation that is carried out here the server takes it from the request itself, of
    /// one that is carried out elsewhere the front states it. A default counts (CK-57).
    Parameter,
    /// The front states it, by name; absent if it does not.
    Front,
    /// Nobody: a statement that uses it on an action which is decided here is refused when it is stored (CK-58).
    Nobody,
}

/// What a key tells of, as far as the lint and explanations tell keys apart. Every row says it, and who asks looks at each:
/// a new key cannot be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Says {
    /// What a caller is or has that an AWS service is not and has not: an ARN, an account, tags, a session (ID-20).
    Person,
    /// The account of such a caller, where the call is about a key.
    CallerAccount,
    /// The organization of such a caller.
    Organization,
    /// Which services a call came through.
    CalledVia,
    /// Whether a service calls on somebody's behalf.
    ByService,
    /// Which service calls on somebody's behalf, where the call is about a key.
    ViaService,
    /// Whence a call came.
    Address,
    /// Whence within a VPC a call came.
    PrivateAddress,
    /// Which endpoint, of which VPC and whose, a call came through.
    Endpoint,
    /// The resource for which a service acts.
    Source,
    /// A property of the KMS key.
    Key,
    /// A pair of the encryption context.
    Pair,
    /// The value of a tag that is to be set.
    Tag,
    /// Anything else.
    Other,
}

/// What a key's values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// One of a closed list.
    OneOf(&'static [&'static str]),
    /// Twelve digits.
    Account,
    /// `alias/…`
    Alias,
    /// A service with its Region, as in `s3.eu-west-1.amazonaws.com`.
    RegionalService,
    /// The name of an operation that a grant may hold.
    GrantOperation,
    /// An ARN.
    Arn,
    /// The ARN of a user, role, federated user or account root (ID-21).
    PrincipalArn,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A date.
    Date,
    /// A date, or seconds since 1970.
    DateOrNumber,
    /// An IP address.
    Address,
}

impl Form {
    /// The data type as AWS's reference calls it, without regard to how many values there are.
    pub const fn data_type(self) -> &'static str {
        match self {
            Self::Text
            | Self::OneOf(_)
            | Self::Account
            | Self::Alias
            | Self::RegionalService
            | Self::GrantOperation => "String",
            Self::Arn | Self::PrincipalArn => "ARN",
            Self::Bool => "Bool",
            Self::Number => "Numeric",
            Self::Date | Self::DateOrNumber => "Date",
            Self::Address => "IPAddress",
        }
    }
}

/// What must hold, beside the parameter's not being said, for its default to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultIf {
    /// Nothing.
    NotSaid,
    /// The key is one for symmetric encryption, or is to be: of others the parameter is required (CK-6, W-4).
    Symmetric,
    /// `ValidTo` is said: without it the request is refused (CK-9).
    ValidTo,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name as AWS writes it; of a family, with `<k>` where it varies.
    pub name: &'static str,
    /// How many values it has.
    pub count: Count,
    /// What they look like.
    pub form: Form,
    /// Whose property it is.
    pub of: Whose,
    /// Who tells it.
    pub told: Told,
    /// What it tells of.
    pub says: Says,
    /// Which requests of KMS carry it.
    pub presence: fn(KmsAction) -> Presence,
    /// The value that counts where the request does not say another (CK-57).
    pub default: Option<Scalar<'static>>,
    /// What must hold for the default to be used.
    pub default_if: DefaultIf,
    /// Whether a condition on it chooses who calls, or whence (P-22).
    pub chooses_callers: bool,
    /// The actions of other services, decided here, whose requests carry it by AWS's reference.
    pub elsewhere: &'static [&'static str],
}

impl KnownKey {
    /// The value that counts in a request of `action` which says none: what is really used (CK-57). `holds` is asked what
    /// else must hold.
    pub fn default_for(
        self,
        action: KmsAction,
        holds: impl FnOnce(DefaultIf) -> bool,
    ) -> Option<Scalar<'static>> {
        let row = self.row();
        let default = row.default?;
        let applies = match row.of {
            // Of a key that is there its property counts.
            Whose::Resource => action == KmsAction::CreateKey,
            Whose::Caller | Whose::Session | Whose::Cluster | Whose::Request => {
                (row.presence)(action) != Presence::Never
            }
        };
        (applies && holds(row.default_if)).then_some(default)
    }
}

/// The rows that stand for many keys, whose names vary in their last part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `aws:PrincipalTag/<k>`
    PrincipalTag,
    /// `aws:ResourceTag/<k>`
    ResourceTag,
    /// `aws:RequestTag/<k>`
    RequestTag,
    /// `iam:ResourceTag/<k>`
    IamResourceTag,
    /// `kms:EncryptionContext:<k>`
    EncryptionContext,
    /// `kms:RecipientAttestation:PCR<n>`
    Pcr,
    /// `kms:RecipientAttestation:NitroTPMPCR<n>`
    NitroTpmPcr,
}

macro_rules! table {
    (
        keys { $($key:ident = $key_name:literal, $key_count:ident, $key_form:expr, $key_of:ident, $key_told:ident, $key_says:ident, $key_on:expr $(, $key_member:ident = $key_value:expr)*;)* }
        families { $($family:ident = $name:literal, $count:ident, $form:expr, $of:ident, $told:ident, $says:ident, $on:expr $(, $member:ident = $value:expr)*;)* }
    ) => {
        /// A condition key with a fixed name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the names are AWS's own")]
        pub enum KnownKey { $($key,)* }

        impl KnownKey {
            /// Every key of the table with a fixed name.
            pub const ALL: &'static [Self] = &[$(Self::$key,)*];

            /// The name as AWS writes it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$key => $key_name,)* }
            }

            /// Its row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$key => {
                        const ROW: Row = Row { $($key_member: $key_value,)* ..row($key_name, Count::$key_count, $key_form, Whose::$key_of, Told::$key_told, Says::$key_says, $key_on) };
                        &ROW
                    })*
                }
            }
        }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Self] = &[$(Self::$family,)*];

            /// Its row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Self::$family => {
                        const ROW: Row = Row { $($member: $value,)* ..row($name, Count::$count, $form, Whose::$of, Told::$told, Says::$says, $on) };
                        &ROW
                    })*
                }
            }
        }
    };
}

const fn row(
    name: &'static str,
    count: Count,
    form: Form,
    of: Whose,
    told: Told,
    says: Says,
    presence: fn(KmsAction) -> Presence,
) -> Row {
    Row {
        name,
        count,
        form,
        of,
        told,
        says,
        presence,
        default: None,
        default_if: DefaultIf::NotSaid,
        chooses_callers: false,
        elsewhere: &[],
    }
}

table! {
    // Key, name, values, form, whose, told by, of what, which requests of KMS carry it.
    keys {
        // The caller.
        PrincipalAccount = "aws:PrincipalAccount", One, Form::Account, Caller, Server, Person, every, chooses_callers = true;
        PrincipalArn = "aws:PrincipalArn", One, Form::PrincipalArn, Caller, Server, Person, every, chooses_callers = true;
        PrincipalIsAwsService = "aws:PrincipalIsAWSService", One, Form::Bool, Caller, Server, Other, every;
        PrincipalOrgId = "aws:PrincipalOrgID", One, Form::Text, Caller, ServerOrFront, Organization, some, chooses_callers = true;
        PrincipalOrgPaths = "aws:PrincipalOrgPaths", Many, Form::Text, Caller, ServerOrFront, Organization, some, chooses_callers = true;
        PrincipalServiceName = "aws:PrincipalServiceName", One, Form::Text, Caller, Server, Other, some, chooses_callers = true;
        PrincipalServiceNamesList = "aws:PrincipalServiceNamesList", Many, Form::Text, Request, ServerOrFront, Other, some, chooses_callers = true;
        PrincipalType = "aws:PrincipalType", One, Form::OneOf(&["Account", "User", "AssumedRole", "FederatedUser"]), Caller, Server, Person, every;
        UserId = "aws:userid", One, Form::Text, Session, Server, Person, every, chooses_callers = true;
        UserName = "aws:username", One, Form::Text, Caller, Server, Person, some, chooses_callers = true;
        // Its credentials.
        AssumedRoot = "aws:AssumedRoot", One, Form::Bool, Caller, Server, Other, some;
        ChatbotSourceArn = "aws:ChatbotSourceArn", One, Form::Arn, Request, Front, Other, some;
        CodeBuildBuildArn = "codebuild:BuildArn", One, Form::Arn, Request, Front, Other, some;
        CodeBuildProjectArn = "codebuild:ProjectArn", One, Form::Arn, Request, Front, Other, some;
        Ec2InstanceSourcePrivateIpv4 = "aws:Ec2InstanceSourcePrivateIPv4", One, Form::Address, Request, Front, Other, some;
        Ec2InstanceSourceVpc = "aws:Ec2InstanceSourceVpc", One, Form::Text, Request, Front, Other, some;
        Ec2RoleDelivery = "ec2:RoleDelivery", One, Form::Number, Request, Front, Other, some;
        Ec2SourceInstanceArn = "ec2:SourceInstanceArn", One, Form::Arn, Request, Front, Other, some;
        FederatedProvider = "aws:FederatedProvider", One, Form::Text, Request, Front, Other, some;
        GlueCredentialIssuingService = "glue:CredentialIssuingService", One, Form::OneOf(&["glue.amazonaws.com"]), Request, Front, Other, some;
        GlueRoleAssumedBy = "glue:RoleAssumedBy", One, Form::OneOf(&["glue.amazonaws.com"]), Request, Front, Other, some;
        IdentityStoreUserId = "identitystore:UserId", One, Form::Text, Request, Front, Other, some;
        LambdaSourceFunctionArn = "lambda:SourceFunctionArn", One, Form::Arn, Request, Front, Other, some;
        MultiFactorAuthAge = "aws:MultiFactorAuthAge", One, Form::Number, Request, Front, Person, some;
        MultiFactorAuthPresent = "aws:MultiFactorAuthPresent", One, Form::Bool, Request, Front, Person, some;
        SamlNameQualifier = "saml:namequalifier", One, Form::Text, Request, Front, Other, some;
        SamlSub = "saml:sub", One, Form::Text, Request, Front, Other, some;
        SamlSubType = "saml:sub_type", One, Form::Text, Request, Front, Other, some;
        SignInSessionArn = "aws:SignInSessionArn", One, Form::Arn, Request, Front, Other, some;
        SourceIdentity = "aws:SourceIdentity", One, Form::Text, Request, Front, Person, some;
        SsmSourceInstanceArn = "ssm:SourceInstanceArn", One, Form::Arn, Request, Front, Other, some;
        TokenIssueTime = "aws:TokenIssueTime", One, Form::Date, Request, Front, Other, some;
        // The network.
        SourceIp = "aws:SourceIp", One, Form::Address, Request, Front, Address, some, chooses_callers = true;
        SourceVpc = "aws:SourceVpc", One, Form::Text, Request, ServerOrFront, Endpoint, some, chooses_callers = true;
        SourceVpcArn = "aws:SourceVpcArn", One, Form::Arn, Request, ServerOrFront, Endpoint, some, chooses_callers = true;
        SourceVpce = "aws:SourceVpce", One, Form::Text, Request, Front, Endpoint, some, chooses_callers = true;
        VpcSourceIp = "aws:VpcSourceIp", One, Form::Address, Request, Front, PrivateAddress, some;
        VpceAccount = "aws:VpceAccount", One, Form::Account, Request, ServerOrFront, Endpoint, some, chooses_callers = true;
        VpceOrgId = "aws:VpceOrgID", One, Form::Text, Request, ServerOrFront, Endpoint, some, chooses_callers = true;
        VpceOrgPaths = "aws:VpceOrgPaths", Many, Form::Text, Request, ServerOrFront, Endpoint, some, chooses_callers = true;
        // The resource.
        ResourceAccount = "aws:ResourceAccount", One, Form::Account, Resource, Server, Other, every;
        ResourceOrgId = "aws:ResourceOrgID", One, Form::Text, Resource, ServerOrFront, Other, some;
        ResourceOrgPaths = "aws:ResourceOrgPaths", Many, Form::Text, Resource, ServerOrFront, Other, some;
        // The request.
        CalledVia = "aws:CalledVia", Many, Form::Text, Request, ServerOrFront, CalledVia, some;
        CalledViaAwsMcp = "aws:CalledViaAWSMCP", One, Form::Text, Request, Front, Other, some;
        CalledViaFirst = "aws:CalledViaFirst", One, Form::Text, Request, ServerOrFront, CalledVia, some;
        CalledViaLast = "aws:CalledViaLast", One, Form::Text, Request, ServerOrFront, CalledVia, some;
        CurrentTime = "aws:CurrentTime", One, Form::Date, Request, Server, Other, every;
        EpochTime = "aws:EpochTime", One, Form::DateOrNumber, Request, Server, Other, every;
        // True of actions of AWS's MCP services alone, of which none is decided here.
        IsMcpServiceAction = "aws:IsMcpServiceAction", One, Form::Bool, Request, Nobody, Other, never;
        Referer = "aws:referer", One, Form::Text, Request, Front, Other, some;
        RequestedRegion = "aws:RequestedRegion", One, Form::Text, Cluster, Server, Other, every;
        SecureTransport = "aws:SecureTransport", One, Form::Bool, Request, Front, Other, every;
        SourceAccount = "aws:SourceAccount", One, Form::Account, Request, Front, Source, some, chooses_callers = true;
        SourceArn = "aws:SourceArn", One, Form::Arn, Request, Front, Source, some, chooses_callers = true;
        SourceOrgId = "aws:SourceOrgID", One, Form::Text, Request, ServerOrFront, Source, some, chooses_callers = true;
        SourceOrgPaths = "aws:SourceOrgPaths", Many, Form::Text, Request, ServerOrFront, Source, some, chooses_callers = true;
        TagKeys = "aws:TagKeys", Many, Form::Text, Request, Parameter, Other, |action| match action {
            KmsAction::TagResource | KmsAction::UntagResource => Presence::Always,
            action => sometimes(takes_tags(action)),
        }, elsewhere = &["iam:CreateUser", "iam:CreateRole", "iam:TagUser", "iam:TagRole", "iam:UntagUser", "iam:UntagRole"];
        UserAgent = "aws:UserAgent", One, Form::Text, Request, Front, Other, some;
        ViaAwsMcpService = "aws:ViaAWSMCPService", One, Form::Bool, Request, Front, Other, some;
        ViaAwsService = "aws:ViaAWSService", One, Form::Bool, Request, Server, ByService, every;
        // Keys of KMS: the caller and the key.
        CallerAccount = "kms:CallerAccount", One, Form::Account, Caller, Server, CallerAccount, |action| always(
            is_on_key(action) || action == KmsAction::CreateKey || is_on_custom_key_store(action),
        ), chooses_callers = true;
        CustomerMasterKeySpec = "kms:CustomerMasterKeySpec", One, Form::OneOf(KEY_SPECS), Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Text("SYMMETRIC_DEFAULT"));
        CustomerMasterKeyUsage = "kms:CustomerMasterKeyUsage", One, Form::OneOf(KEY_USAGES), Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Text("ENCRYPT_DECRYPT")), default_if = DefaultIf::Symmetric;
        KeyOrigin = "kms:KeyOrigin", One, Form::OneOf(&["AWS_KMS", "EXTERNAL", "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"]), Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Text("AWS_KMS"));
        KeySpec = "kms:KeySpec", One, Form::OneOf(KEY_SPECS), Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Text("SYMMETRIC_DEFAULT"));
        KeyUsage = "kms:KeyUsage", One, Form::OneOf(KEY_USAGES), Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Text("ENCRYPT_DECRYPT")), default_if = DefaultIf::Symmetric;
        MultiRegion = "kms:MultiRegion", One, Form::Bool, Resource, ServerOrFront, Key, |action| always(has_key(action)),
            default = Some(Scalar::Bool(false));
        MultiRegionKeyType = "kms:MultiRegionKeyType", One, Form::OneOf(&["PRIMARY", "REPLICA"]), Resource, ServerOrFront, Key, |action| sometimes(has_key(action));
        ResourceAliases = "kms:ResourceAliases", Many, Form::Alias, Resource, Server, Key, |action| sometimes(is_on_key(action));
        TrailingDaysWithoutKeyUsage = "kms:TrailingDaysWithoutKeyUsage", One, Form::Number, Resource, Server, Other, |action| always(
            matches!(action, KmsAction::DisableKey | KmsAction::ScheduleKeyDeletion),
        );
        // Keys of KMS: the request.
        BypassPolicyLockoutSafetyCheck = "kms:BypassPolicyLockoutSafetyCheck", One, Form::Bool, Request, Parameter, Other, |action| always(
            matches!(action, KmsAction::CreateKey | KmsAction::PutKeyPolicy | KmsAction::ReplicateKey),
        ), default = Some(Scalar::Bool(false));
        DataKeyPairSpec = "kms:DataKeyPairSpec", One, Form::Text, Request, Parameter, Other, |action| always(
            matches!(action, KmsAction::GenerateDataKeyPair | KmsAction::GenerateDataKeyPairWithoutPlaintext),
        );
        EncapsulationAlgorithm = "kms:EncapsulationAlgorithm", One, Form::Text, Request, Parameter, Other, |action| sometimes(
            matches!(action, KmsAction::Encapsulate | KmsAction::Decapsulate),
        );
        EncryptionAlgorithm = "kms:EncryptionAlgorithm", One, Form::OneOf(&["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"]), Request, Parameter, Other,
            |action| always(action.has_encryption_context()), default = Some(Scalar::Text("SYMMETRIC_DEFAULT")), default_if = DefaultIf::Symmetric;
        EncryptionContextKeys = "kms:EncryptionContextKeys", Many, Form::Text, Request, Server, Other, |action| sometimes(shows_encryption_context(action));
        ExpirationModel = "kms:ExpirationModel", One, Form::OneOf(&["KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE"]), Request, Parameter, Other,
            |action| sometimes(action == KmsAction::ImportKeyMaterial), default = Some(Scalar::Text("KEY_MATERIAL_EXPIRES")), default_if = DefaultIf::ValidTo;
        GrantConstraintSourceArn = "kms:GrantConstraintSourceArn", One, Form::Arn, Request, Parameter, Source, |action| sometimes(action == KmsAction::CreateGrant);
        GrantConstraintType = "kms:GrantConstraintType", One, Form::OneOf(&["EncryptionContextEquals", "EncryptionContextSubset"]), Request, Parameter, Other, |action| sometimes(
            matches!(action, KmsAction::CreateGrant | KmsAction::RetireGrant),
        );
        GrantIsForAwsResource = "kms:GrantIsForAWSResource", One, Form::Bool, Request, Server, ByService, |action| always(
            matches!(action, KmsAction::CreateGrant | KmsAction::ListGrants | KmsAction::RevokeGrant),
        );
        GrantOperations = "kms:GrantOperations", Many, Form::GrantOperation, Request, Parameter, Other, |action| always(action == KmsAction::CreateGrant);
        GranteePrincipal = "kms:GranteePrincipal", One, Form::Text, Request, Parameter, Other, |action| sometimes(action == KmsAction::CreateGrant);
        GranteeServicePrincipal = "kms:GranteeServicePrincipal", One, Form::Text, Request, Parameter, Other, |action| sometimes(action == KmsAction::CreateGrant);
        KeyAgreementAlgorithm = "kms:KeyAgreementAlgorithm", One, Form::OneOf(&["ECDH"]), Request, Parameter, Other, |action| always(action == KmsAction::DeriveSharedSecret);
        MacAlgorithm = "kms:MacAlgorithm", One, Form::OneOf(&["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"]), Request, Parameter, Other, |action| always(
            matches!(action, KmsAction::GenerateMac | KmsAction::VerifyMac),
        );
        MessageType = "kms:MessageType", One, Form::OneOf(&["RAW", "DIGEST", "EXTERNAL_MU"]), Request, Parameter, Other,
            |action| always(matches!(action, KmsAction::Sign | KmsAction::Verify)), default = Some(Scalar::Text("RAW"));
        PolicyName = "kms:PolicyName", One, Form::OneOf(&["default", "AWS_RAM"]), Request, Parameter, Other,
            |action| always(matches!(action, KmsAction::GetKeyPolicy | KmsAction::PutKeyPolicy)), default = Some(Scalar::Text("default"));
        PrimaryRegion = "kms:PrimaryRegion", One, Form::Text, Request, Parameter, Other, |action| always(action == KmsAction::UpdatePrimaryRegion);
        ReEncryptOnSameKey = "kms:ReEncryptOnSameKey", One, Form::Bool, Request, Parameter, Other, |action| always(
            matches!(action, KmsAction::ReEncryptFrom | KmsAction::ReEncryptTo),
        );
        RecipientAttestationImageSha384 = "kms:RecipientAttestation:ImageSha384", One, Form::Text, Request, Parameter, Other, |action| sometimes(takes_attestation(action));
        ReplicaRegion = "kms:ReplicaRegion", One, Form::Text, Request, Parameter, Other, |action| always(action == KmsAction::ReplicateKey);
        RequestAlias = "kms:RequestAlias", One, Form::Alias, Request, Server, Other, |action| sometimes(action.accepts_alias());
        RetiringPrincipal = "kms:RetiringPrincipal", One, Form::Text, Request, Parameter, Other, |action| sometimes(action == KmsAction::CreateGrant);
        RetiringServicePrincipal = "kms:RetiringServicePrincipal", One, Form::Text, Request, Parameter, Other, |action| sometimes(action == KmsAction::CreateGrant);
        RotationPeriodInDays = "kms:RotationPeriodInDays", One, Form::Number, Request, Parameter, Other,
            |action| always(action == KmsAction::EnableKeyRotation), default = Some(Scalar::Integer(ROTATION_PERIOD_DAYS));
        ScheduleKeyDeletionPendingWindowInDays = "kms:ScheduleKeyDeletionPendingWindowInDays", One, Form::Number, Request, Parameter, Other,
            |action| always(action == KmsAction::ScheduleKeyDeletion), default = Some(Scalar::Integer(DELETION_WINDOW_DAYS_MAX as i64));
        SigningAlgorithm = "kms:SigningAlgorithm", One, Form::Text, Request, Parameter, Other, |action| always(
            matches!(action, KmsAction::Sign | KmsAction::Verify),
        );
        ValidTo = "kms:ValidTo", One, Form::Date, Request, Parameter, Other, |action| sometimes(action == KmsAction::ImportKeyMaterial);
        ViaService = "kms:ViaService", One, Form::RegionalService, Request, Server, ViaService, |action| sometimes(has_key(action));
        WrappingAlgorithm = "kms:WrappingAlgorithm", One, Form::Text, Request, Parameter, Other, |action| always(action == KmsAction::GetParametersForImport);
        WrappingKeySpec = "kms:WrappingKeySpec", One, Form::Text, Request, Parameter, Other, |action| always(action == KmsAction::GetParametersForImport);
        // Keys of the other services whose actions are decided here.
        IamPermissionsBoundary = "iam:PermissionsBoundary", One, Form::Arn, Request, Nobody, Other, never, elsewhere = &[
            "iam:CreateUser",
            "iam:CreateRole",
            "iam:PutUserPolicy",
            "iam:PutRolePolicy",
            "iam:DeleteUserPolicy",
            "iam:DeleteRolePolicy",
            "iam:PutUserPermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
            "iam:DeleteUserPermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
        ];
        OrganizationsPolicyType = "organizations:PolicyType", One, Form::OneOf(&["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]), Request, Parameter, Other, never, elsewhere = &[
            "organizations:AttachPolicy",
            "organizations:DescribePolicy",
            "organizations:DetachPolicy",
            "organizations:ListPoliciesForTarget",
        ];
    }
    families {
        PrincipalTag = "aws:PrincipalTag/<k>", One, Form::Text, Session, Server, Person, some, chooses_callers = true;
        ResourceTag = "aws:ResourceTag/<k>", One, Form::Text, Resource, ServerOrFront, Key, |action| sometimes(has_key(action)), elsewhere = ON_IAM_PRINCIPALS;
        RequestTag = "aws:RequestTag/<k>", One, Form::Text, Request, Parameter, Tag,
            // CK-37: a request to remove tags names their keys alone.
            |action| sometimes(takes_tags(action) && action != KmsAction::UntagResource),
            elsewhere = &["iam:CreateUser", "iam:CreateRole", "iam:TagUser", "iam:TagRole"];
        IamResourceTag = "iam:ResourceTag/<k>", One, Form::Text, Resource, Server, Other, never, elsewhere = ON_IAM_PRINCIPALS;
        EncryptionContext = "kms:EncryptionContext:<k>", One, Form::Text, Request, Server, Pair, |action| sometimes(shows_encryption_context(action));
        Pcr = "kms:RecipientAttestation:PCR<n>", One, Form::Text, Request, Parameter, Other, |action| sometimes(takes_attestation(action));
        NitroTpmPcr = "kms:RecipientAttestation:NitroTPMPCR<n>", One, Form::Text, Request, Parameter, Other, |action| sometimes(takes_attestation(action));
    }
}

/// Actions of IAM on a user or role that is there.
const ON_IAM_PRINCIPALS: &[&str] = &[
    "iam:DeleteUser",
    "iam:DeleteRole",
    "iam:TagUser",
    "iam:TagRole",
    "iam:UntagUser",
    "iam:UntagRole",
    "iam:PutUserPolicy",
    "iam:PutRolePolicy",
    "iam:DeleteUserPolicy",
    "iam:DeleteRolePolicy",
    "iam:PutUserPermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:DeleteUserPermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:GetUser",
    "iam:GetRole",
    "iam:GetUserPolicy",
    "iam:GetRolePolicy",
    "iam:ListUserPolicies",
    "iam:ListRolePolicies",
];

const KEY_SPECS: &[&str] = &[
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

const KEY_USAGES: &[&str] = &[
    "SIGN_VERIFY",
    "ENCRYPT_DECRYPT",
    "GENERATE_VERIFY_MAC",
    "KEY_AGREEMENT",
    "ENCAPSULATE_DECAPSULATE",
];

impl ContextKey {
    /// Its row of the table; `None` for a name that is no key of AWS's.
    pub const fn row(&self) -> Option<&'static Row> {
        Some(match self {
            Self::Known(key) => key.row(),
            Self::PrincipalTag(_) => Family::PrincipalTag.row(),
            Self::ResourceTag(_) => Family::ResourceTag.row(),
            Self::RequestTag(_) => Family::RequestTag.row(),
            Self::IamResourceTag(_) => Family::IamResourceTag.row(),
            Self::EncryptionContext(_) => Family::EncryptionContext.row(),
            Self::Pcr(_) => Family::Pcr.row(),
            Self::NitroTpmPcr(_) => Family::NitroTpmPcr.row(),
            Self::Other(_) => return None,
        })
    }

    /// What it tells of.
    pub fn says(&self) -> Says {
        self.row().map_or(Says::Other, |row| row.says)
    }

    /// Whether requests of `action` carry this key. Nobody but KMS names keys of KMS; another name that is no row is a
    /// front's own.
    pub fn presence(&self, action: KmsAction) -> Presence {
        match self {
            Self::Other(name) => sometimes(!name.as_str().starts_with("kms:")),
            Self::Known(_)
            | Self::PrincipalTag(_)
            | Self::ResourceTag(_)
            | Self::RequestTag(_)
            | Self::IamResourceTag(_)
            | Self::EncryptionContext(_)
            | Self::Pcr(_)
            | Self::NitroTpmPcr(_) => {
                let row = self.row();
                row.map_or(Presence::Never, |row| (row.presence)(action))
            }
        }
    }

    /// Whether the key has several values (C-8, C-10).
    pub fn is_multivalued(&self) -> bool {
        self.row().is_some_and(|row| row.count == Count::Many)
    }

    /// Whether it is known how many values the key has: the keys of others may be of either kind.
    pub(super) const fn is_known(&self) -> bool {
        self.row().is_some()
    }

    /// Whether the front that takes a request speaks for this key, and no principal may state it of itself.
    pub fn is_reserved(&self) -> bool {
        match self {
            Self::Other(name) => {
                let prefix = name
                    .as_str()
                    .split_once(':')
                    .map_or("", |(prefix, _)| prefix);
                // The keys of identity providers begin with a host name.
                prefix.contains('.')
                    || matches!(
                        prefix,
                        "aws" | "iam" | "kms" | "organizations" | "saml" | "sts"
                    )
            }
            Self::Known(_)
            | Self::PrincipalTag(_)
            | Self::ResourceTag(_)
            | Self::RequestTag(_)
            | Self::IamResourceTag(_)
            | Self::EncryptionContext(_)
            | Self::Pcr(_)
            | Self::NitroTpmPcr(_) => true,
        }
    }
}

/// Every row.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    let keys = KnownKey::ALL.iter().map(|key| key.row());
    keys.chain(Family::ALL.iter().map(|family| family.row()))
}

const fn every(_: KmsAction) -> Presence {
    Presence::Always
}

const fn some(_: KmsAction) -> Presence {
    Presence::Sometimes
}

const fn never(_: KmsAction) -> Presence {
    Presence::Never
}

const fn sometimes(applies: bool) -> Presence {
    if applies {
        Presence::Sometimes
    } else {
        Presence::Never
    }
}

const fn always(applies: bool) -> Presence {
    if applies {
        Presence::Always
    } else {
        Presence::Never
    }
}

const fn is_on_key(action: KmsAction) -> bool {
    !matches!(action.target(), ActionTarget::None)
}

/// On a key that is there, or that is made.
fn has_key(action: KmsAction) -> bool {
    is_on_key(action) || action == KmsAction::CreateKey
}

const fn is_on_custom_key_store(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::ConnectCustomKeyStore
            | KmsAction::CreateCustomKeyStore
            | KmsAction::DeleteCustomKeyStore
            | KmsAction::DescribeCustomKeyStores
            | KmsAction::DisconnectCustomKeyStore
            | KmsAction::UpdateCustomKeyStore
    )
}

/// CK-37, CK-38.
const fn takes_tags(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::CreateKey
            | KmsAction::ReplicateKey
            | KmsAction::TagResource
            | KmsAction::UntagResource
    )
}

/// CK-7, CK-8.
pub const fn shows_encryption_context(action: KmsAction) -> bool {
    action.has_encryption_context()
        || matches!(action, KmsAction::CreateGrant | KmsAction::RetireGrant)
}

const fn takes_attestation(action: KmsAction) -> bool {
    matches!(
        action,
        KmsAction::Decrypt
            | KmsAction::DeriveSharedSecret
            | KmsAction::GenerateDataKey
            | KmsAction::GenerateDataKeyPair
            | KmsAction::GenerateRandom
    )
}

/// CK-25: platform configuration registers of an attestation document.
pub(super) const PCR_COUNT: u8 = 32;
/// CK-25: those of a Nitro TPM.
pub(super) const NITRO_TPM_PCR_COUNT: u8 = 24;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn reference() -> Value {
        let text = include_str!("../../../docs/kms-authorization-reference.json");
        serde_json::from_str(text).unwrap()
    }

    fn key(name: &str) -> ContextKey {
        ContextKey::parse(
            &name
                .replace("${TagKey}", "t")
                .replace("${EncryptionContextKey}", "c"),
        )
    }

    /// The global keys of the IAM guide's page «AWS global condition context keys» of 2026, its cross-service keys and
    /// those of federation that requests of other services have.
    const GLOBAL: &[&str] = &[
        "aws:PrincipalArn",
        "aws:PrincipalAccount",
        "aws:PrincipalOrgPaths",
        "aws:PrincipalOrgID",
        "aws:PrincipalTag/t",
        "aws:PrincipalIsAWSService",
        "aws:PrincipalServiceName",
        "aws:PrincipalServiceNamesList",
        "aws:PrincipalType",
        "aws:userid",
        "aws:username",
        "aws:AssumedRoot",
        "aws:FederatedProvider",
        "aws:TokenIssueTime",
        "aws:SignInSessionArn",
        "aws:MultiFactorAuthAge",
        "aws:MultiFactorAuthPresent",
        "aws:ChatbotSourceArn",
        "aws:Ec2InstanceSourceVpc",
        "aws:Ec2InstanceSourcePrivateIPv4",
        "aws:SourceIdentity",
        "ec2:RoleDelivery",
        "ec2:SourceInstanceArn",
        "glue:RoleAssumedBy",
        "glue:CredentialIssuingService",
        "codebuild:BuildArn",
        "codebuild:ProjectArn",
        "lambda:SourceFunctionArn",
        "ssm:SourceInstanceArn",
        "identitystore:UserId",
        "saml:namequalifier",
        "saml:sub",
        "saml:sub_type",
        "aws:SourceIp",
        "aws:SourceVpc",
        "aws:SourceVpcArn",
        "aws:SourceVpce",
        "aws:VpceAccount",
        "aws:VpceOrgID",
        "aws:VpceOrgPaths",
        "aws:VpcSourceIp",
        "aws:ResourceAccount",
        "aws:ResourceOrgID",
        "aws:ResourceOrgPaths",
        "aws:ResourceTag/t",
        "aws:CalledVia",
        "aws:CalledViaFirst",
        "aws:CalledViaLast",
        "aws:CalledViaAWSMCP",
        "aws:ViaAWSService",
        "aws:ViaAWSMCPService",
        "aws:CurrentTime",
        "aws:EpochTime",
        "aws:referer",
        "aws:RequestedRegion",
        "aws:RequestTag/t",
        "aws:TagKeys",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceOrgID",
        "aws:SourceOrgPaths",
        "aws:UserAgent",
        "aws:IsMcpServiceAction",
    ];

    /// CK-58: every key of AWS's reference and of the guide's page of global keys is a row, and the table has no row that
    /// neither has but those that the specification adds.
    #[test]
    fn every_key_of_aws_is_a_row() {
        let reference = reference();
        let listed = reference["conditionKeys"].as_array().unwrap();
        let listed = listed.iter().map(|row| row["name"].as_str().unwrap());
        let all: std::collections::BTreeSet<ContextKey> =
            listed.chain(GLOBAL.iter().copied()).map(key).collect();
        for key in &all {
            assert!(key.row().is_some(), "{key}");
            assert!(key.is_reserved(), "{key}");
        }
        let beyond = [
            "iam:PermissionsBoundary",
            "kms:EncapsulationAlgorithm",
            "kms:PolicyName",
            "organizations:PolicyType",
        ];
        for known in KnownKey::ALL {
            let is_added = beyond.contains(&known.name());
            assert_eq!(
                !all.contains(&ContextKey::Known(*known)),
                is_added,
                "{}",
                known.name()
            );
        }
        for (name, is_reserved) in [
            ("kms:Foo", true),
            ("aws:Foo", true),
            ("accounts.google.com:sub", true),
            ("s3:prefix", false),
            ("acme:ticket", false),
        ] {
            assert!(key(name).row().is_none(), "{name}");
            assert_eq!(key(name).is_reserved(), is_reserved, "{name}");
        }
    }

    /// CK-58: nobody tells only what policies are refused for.
    #[test]
    fn what_nobody_tells_is_short_and_known() {
        let untold: Vec<&str> = rows()
            .filter(|row| row.told == Told::Nobody)
            .map(|row| row.name)
            .collect();
        assert_eq!(
            untold,
            ["aws:IsMcpServiceAction", "iam:PermissionsBoundary"]
        );
    }

    /// CK-1 to CK-38: every key that AWS's reference lists for an action can be present there.
    #[test]
    fn every_key_of_the_reference_applies_to_its_action() {
        let reference = reference();
        for action in reference["actions"].as_array().unwrap() {
            let known = KmsAction::by_name(action["name"].as_str().unwrap()).unwrap();
            for name in action["conditionKeys"].as_array().unwrap() {
                let name = name.as_str().unwrap();
                assert_ne!(key(name).presence(known), Presence::Never, "{known} {name}");
            }
        }
    }

    /// CK-40: a key that the reference lists for some actions alone is never present elsewhere. The specification
    /// adds what its table says beyond the reference.
    #[test]
    fn key_that_the_reference_does_not_list_for_an_action_is_never_present() {
        let beyond = |name: &str, action: KmsAction| match name {
            "aws:RequestTag/${TagKey}" => action == KmsAction::ReplicateKey,
            "aws:TagKeys" | "kms:BypassPolicyLockoutSafetyCheck" => {
                action == KmsAction::ReplicateKey
            }
            // Properties of the key are listed with the resource, not with the action.
            "aws:ResourceTag/${TagKey}"
            | "kms:KeyOrigin"
            | "kms:KeySpec"
            | "kms:KeyUsage"
            | "kms:MultiRegion"
            | "kms:MultiRegionKeyType"
            | "kms:CallerAccount"
            | "kms:ViaService" => action.target() != ActionTarget::None,
            // The reference does not have the two actions yet (G-6).
            "kms:RequestAlias" => {
                matches!(action, KmsAction::Encapsulate | KmsAction::Decapsulate)
            }
            _ => false,
        };
        let reference = reference();
        let actions = reference["actions"].as_array().unwrap();
        let mut seen = 0;
        for name in reference["conditionKeys"].as_array().unwrap() {
            let name = name["name"].as_str().unwrap();
            let lists = |action: &KmsAction| {
                let row = actions.iter().find(|row| row["name"] == action.name());
                row.is_some_and(|row| {
                    row["conditionKeys"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .any(|k| k == name)
                })
            };
            if !actions.iter().any(|row| {
                row["conditionKeys"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|k| k == name)
            }) {
                continue;
            }
            for action in KmsAction::ALL {
                if !lists(action) && !beyond(name, *action) {
                    seen += 1;
                    assert_eq!(
                        key(name).presence(*action),
                        Presence::Never,
                        "{action} {name}"
                    );
                }
            }
        }
        assert!(seen > 1_000);
    }

    /// C-10: how many values a key has, and of which type, is what the reference says.
    #[test]
    fn number_of_values_is_that_of_the_reference() {
        for row in reference()["conditionKeys"].as_array().unwrap() {
            let name = row["name"].as_str().unwrap();
            assert_eq!(
                key(name).is_multivalued(),
                row["multivalued"] == true,
                "{name}"
            );
            assert!(key(name).is_known(), "{name}");
            let data_type = row["type"].as_str().unwrap().replace("ArrayOf", "");
            assert_eq!(
                key(name).row().unwrap().form.data_type(),
                data_type,
                "{name}"
            );
        }
    }
}
