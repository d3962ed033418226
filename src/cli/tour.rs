//! The tour: the same text in `docs/tour.sh`, in the README and on the screen of `grantd dev`.

/// What the text stands for: the addresses, the Region and the account of `grantd dev` as it starts by default.
const ENDPOINTS: &str = "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402";
const REGION: &str = "us-west-2";

/// The tour as a shell script for a cluster at these endpoints. It names the account of the documentation's examples in
/// many places, so for another account it is only pointed at.
pub(super) fn tour(endpoints: &str, region: &str, account: &str) -> String {
    if account != "111122223333" {
        return format!(
            "export GRANTD_ENDPOINT={endpoints} GRANTD_REGION={region} GRANTD_AS=arn:aws:iam::{account}:root\n\
             # The tour of docs/tour.sh is about account 111122223333, which `grantd dev` makes by default."
        );
    }
    include_str!("../../docs/tour.sh")
        .replace(ENDPOINTS, endpoints)
        .replace(
            &format!("GRANTD_REGION={REGION}"),
            &format!("GRANTD_REGION={region}"),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tour_names_the_endpoints_and_the_region_that_are_there() {
        let shown = tour("127.0.0.1:1", "eu-west-1", "111122223333");
        assert!(shown.contains("GRANTD_ENDPOINT=127.0.0.1:1\n"), "{shown}");
        assert!(shown.contains("GRANTD_REGION=eu-west-1"), "{shown}");
        assert_eq!(
            tour(ENDPOINTS, REGION, "111122223333"),
            include_str!("../../docs/tour.sh")
        );
    }

    #[test]
    fn another_account_gets_no_tour_that_would_fail() {
        assert!(tour(ENDPOINTS, REGION, "444455556666").contains("docs/tour.sh"));
    }
}
