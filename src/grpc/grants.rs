//! What grantd adds to AWS's grants.

use super::Api;
use super::calls::calls;
use crate::wire::v1::grants_server::Grants;

calls! {
    Grants {
        change consume(ConsumeRequest) -> ConsumeResponse;
        describe list_grants_by_grantee(ListGrantsByGranteeRequest) -> ListGrantsByGranteeResponse;
        describe list_duplicate_grants(ListDuplicateGrantsRequest) -> ListDuplicateGrantsResponse;
        describe describe_grants(DescribeGrantsRequest) -> DescribeGrantsResponse;
    }
}
