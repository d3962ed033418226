//! Keys, aliases, tags and grants.

use super::Api;
use super::calls::calls;
use crate::wire::v1::kms_server::Kms;

calls! {
    Kms {
        change create_key(CreateKeyRequest) -> CreateKeyResponse;
        describe describe_key(DescribeKeyRequest) -> DescribeKeyResponse;
        describe get_key_last_usage(GetKeyLastUsageRequest) -> GetKeyLastUsageResponse;
        change put_key_policy(PutKeyPolicyRequest) -> PutKeyPolicyResponse;
        describe get_key_policy(GetKeyPolicyRequest) -> GetKeyPolicyResponse;
        change enable_key(EnableKeyRequest) -> EnableKeyResponse;
        change disable_key(DisableKeyRequest) -> DisableKeyResponse;
        describe list_keys(ListKeysRequest) -> ListKeysResponse;
        change update_key_description(UpdateKeyDescriptionRequest) -> UpdateKeyDescriptionResponse;
        describe list_key_policies(ListKeyPoliciesRequest) -> ListKeyPoliciesResponse;
        change schedule_key_deletion(ScheduleKeyDeletionRequest) -> ScheduleKeyDeletionResponse;
        change cancel_key_deletion(CancelKeyDeletionRequest) -> CancelKeyDeletionResponse;
        change replicate_key(ReplicateKeyRequest) -> ReplicateKeyResponse;
        change update_primary_region(UpdatePrimaryRegionRequest) -> UpdatePrimaryRegionResponse;
        change create_alias(CreateAliasRequest) -> CreateAliasResponse;
        change update_alias(UpdateAliasRequest) -> UpdateAliasResponse;
        change delete_alias(DeleteAliasRequest) -> DeleteAliasResponse;
        describe list_aliases(ListAliasesRequest) -> ListAliasesResponse;
        change tag_resource(TagResourceRequest) -> TagResourceResponse;
        change untag_resource(UntagResourceRequest) -> UntagResourceResponse;
        describe list_resource_tags(ListResourceTagsRequest) -> ListResourceTagsResponse;
        change create_grant(CreateGrantRequest) -> CreateGrantResponse;
        describe list_grants(ListGrantsRequest) -> ListGrantsResponse;
        describe list_retirable_grants(ListRetirableGrantsRequest) -> ListRetirableGrantsResponse;
        change retire_grant(RetireGrantRequest) -> RetireGrantResponse;
        change revoke_grant(RevokeGrantRequest) -> RevokeGrantResponse;
    }
}
