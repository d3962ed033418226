//! The Regions that there are, by partition, and sets of them (ID-46).
//!
//! One table, from which everything that lists or checks Regions is made. A Region that it does not know cannot be served.

use std::fmt;
use std::str::FromStr;

use super::{IdFault, IdKind, ParseIdError, Partition, Region, fault};

/// Every Region in which AWS offers KMS, by partition, in the order of their names.
const TABLE: [(Partition, &[&str]); 8] = [
    (
        Partition::Aws,
        &[
            "af-south-1",
            "ap-east-1",
            "ap-east-2",
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-south-2",
            "ap-southeast-1",
            "ap-southeast-2",
            "ap-southeast-3",
            "ap-southeast-4",
            "ap-southeast-5",
            "ap-southeast-6",
            "ap-southeast-7",
            "ca-central-1",
            "ca-west-1",
            "eu-central-1",
            "eu-central-2",
            "eu-north-1",
            "eu-south-1",
            "eu-south-2",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "il-central-1",
            "me-central-1",
            "me-south-1",
            "mx-central-1",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        ],
    ),
    (Partition::AwsCn, &["cn-north-1", "cn-northwest-1"]),
    (Partition::AwsEusc, &["eusc-de-east-1"]),
    (Partition::AwsIso, &["us-iso-east-1", "us-iso-west-1"]),
    (Partition::AwsIsoB, &["us-isob-east-1", "us-isob-west-1"]),
    (Partition::AwsIsoE, &["eu-isoe-west-1"]),
    (Partition::AwsIsoF, &["us-isof-east-1", "us-isof-south-1"]),
    (Partition::AwsUsGov, &["us-gov-east-1", "us-gov-west-1"]),
];

/// The names of all Regions in which AWS offers KMS, of every partition.
pub fn region_names() -> impl Iterator<Item = &'static str> {
    table().map(|(_, name)| name)
}

/// The table as one list; the place of a Region in it is its bit in a set.
fn table() -> impl Iterator<Item = (Partition, &'static str)> {
    TABLE
        .iter()
        .flat_map(|(partition, names)| names.iter().map(|name| (*partition, *name)))
}

impl Region {
    /// The partition that it is in; `None`: there is no such Region.
    pub fn partition(&self) -> Option<Partition> {
        let mut known = table();
        known
            .find(|(_, name)| *name == self.as_str())
            .map(|(partition, _)| partition)
    }
}

/// A set of Regions of one partition, never empty. It is a machine word: settings are copied, and a request asks it first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Regions {
    partition: Partition,
    bits: u64,
}

impl Regions {
    /// Every Region of a partition.
    pub fn of(partition: Partition) -> Self {
        let places = table().enumerate();
        let bits = places
            .filter(|(_, (of, _))| *of == partition)
            .fold(0, |bits, (place, _)| bits | 1 << place);
        Self { partition, bits }
    }

    /// These Regions.
    ///
    /// # Errors
    /// [`NotRegions`]: there are none, one that does not exist, or some of different partitions.
    pub fn new<'a>(regions: impl IntoIterator<Item = &'a Region>) -> Result<Self, NotRegions> {
        let mut set: Option<Self> = None;
        for region in regions {
            let mut places = table().enumerate();
            let known = places.find(|(_, (_, name))| *name == region.as_str());
            let Some((place, (partition, _))) = known else {
                return Err(NotRegions::Unknown(region.clone()));
            };
            let bits = set.map_or(0, |set| set.bits) | 1 << place;
            match set {
                Some(set) if set.partition != partition => {
                    return Err(NotRegions::TwoPartitions {
                        region: region.clone(),
                        partition,
                        other: set.partition,
                    });
                }
                Some(_) | None => set = Some(Self { partition, bits }),
            }
        }
        set.ok_or(NotRegions::None)
    }

    /// The partition that all of them are in.
    pub const fn partition(self) -> Partition {
        self.partition
    }

    /// Whether a Region of a partition is one of them.
    pub fn contains(self, partition: Partition, region: &Region) -> bool {
        partition == self.partition && self.names().any(|name| name == region.as_str())
    }

    /// Their names, in the order of the table.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let places = table().enumerate();
        places
            .filter(move |(place, _)| self.bits & (1 << place) != 0)
            .map(|(_, (_, name))| name)
    }

    /// Those that are not of the other set, by their names.
    pub fn without(self, other: Self) -> impl Iterator<Item = &'static str> {
        let kept = if self.partition == other.partition {
            other.bits
        } else {
            0
        };
        let rest = Self {
            bits: self.bits & !kept,
            ..self
        };
        rest.names()
    }
}

/// The names, with commas: as they are written and read.
impl fmt::Display for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, name) in self.names().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Regions({self})")
    }
}

impl FromStr for Regions {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let names = text.split(',').map(str::trim);
        let regions: Vec<Region> = names.map(str::parse).collect::<Result<_, _>>()?;
        Self::new(&regions).map_err(|_| {
            let expected = "Regions of AWS, all of one partition";
            fault(IdKind::Region, IdFault::BadForm { expected }, text)
        })
    }
}

/// Why Regions are no set that a cluster can serve.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotRegions {
    /// None is named.
    #[error("no Region is named: a cluster serves one at least")]
    None,
    /// The table does not know it.
    #[error("there is no Region {0}")]
    Unknown(Region),
    /// A cluster is in one partition.
    #[error(
        "{region} is in the partition {partition}, and others are in {other}: a cluster serves Regions of one partition"
    )]
    TwoPartitions {
        /// The one that does not fit.
        region: Region,
        /// Its partition.
        partition: Partition,
        /// That of those before it.
        other: Partition,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        text.parse().unwrap()
    }

    fn set(texts: &[&str]) -> Result<Regions, NotRegions> {
        let regions: Vec<Region> = texts.iter().map(|text| region(text)).collect();
        Regions::new(&regions)
    }

    /// ID-46: each Region once, each partition once, in the order of their names; a set has a bit for each.
    #[test]
    fn table_is_in_order_and_fits_a_word() {
        let partitions: Vec<Partition> = TABLE.iter().map(|(partition, _)| *partition).collect();
        assert_eq!(partitions, Partition::ALL);
        let names: Vec<&str> = table().map(|(_, name)| name).collect();
        assert!(names.len() <= 64, "{}", names.len());
        for (_, of) in TABLE {
            assert!(of.is_sorted_by(|one, next| one < next), "{of:?}");
        }
        let mut once = names.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), names.len());
        for (partition, name) in table() {
            assert_eq!(region(name).partition(), Some(partition));
        }
        assert_eq!(region("nowhere-mars-9").partition(), None);
        assert_eq!(region("aws-global").partition(), None);
    }

    /// ID-46: Regions of one partition, one at least, all of which exist.
    #[test]
    fn set_of_regions_is_of_one_partition() {
        let two = set(&["us-west-2", "eu-west-1", "us-west-2"]).unwrap();
        assert_eq!(two.to_string(), "eu-west-1, us-west-2");
        assert_eq!(two.to_string().parse(), Ok(two));
        assert!(two.contains(Partition::Aws, &region("eu-west-1")));
        assert!(!two.contains(Partition::AwsCn, &region("eu-west-1")));
        assert!(!two.contains(Partition::Aws, &region("us-east-1")));
        let one = set(&["us-west-2"]).unwrap();
        assert_eq!(two.without(one).collect::<Vec<_>>(), ["eu-west-1"]);
        assert_eq!(one.without(two).count(), 0);
        let china = Regions::of(Partition::AwsCn);
        assert_eq!(china.to_string(), "cn-north-1, cn-northwest-1");
        assert_eq!(two.without(china).count(), 2);
        assert_eq!(Regions::of(Partition::Aws).names().count(), 34);
        assert_eq!(set(&[]), Err(NotRegions::None));
        assert_eq!(
            set(&["us-west-2", "mars-1"]),
            Err(NotRegions::Unknown(region("mars-1")))
        );
        let mixed = set(&["us-west-2", "cn-north-1"]).unwrap_err();
        assert!(
            mixed
                .to_string()
                .starts_with("cn-north-1 is in the partition aws-cn")
        );
        assert!("us-west-2, mars-1".parse::<Regions>().is_err());
        assert!("".parse::<Regions>().is_err());
    }
}
