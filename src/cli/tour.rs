//! The tour: the same text in `docs/tour.sh`, in the README and on the screen of `grantd dev`.

/// The commands of the tour, as a shell script.
pub fn tour() -> &'static str {
    include_str!("../../docs/tour.sh")
}
