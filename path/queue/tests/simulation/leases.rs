//! What must hold of everything that the queue lends out.

use crate::made;
use crate::model::{Owing, Status, name};
use crate::world::World;
use bridgehead_queue::{Lease, PartLease};

impl World {
    /// A lease must hold what was given to the queue, and only what is owed.
    pub(crate) fn check_lease(&self, lease: &Lease) {
        let id = lease.id();
        let told = self
            .told
            .get(&id)
            .unwrap_or_else(|| panic!("{id} is a stranger"));
        assert_eq!(*lease.envelope, told.envelope);
        let all = made::concerned(&lease.work, &lease.envelope);
        if let Status::Ended(_) = told.status {
            return;
        }
        let mut names: Vec<String> = all.iter().map(name).collect();
        names.sort();
        assert_eq!(
            names,
            told.owed(),
            "{id}: others are owed, {:?}",
            told.status
        );
    }

    pub(crate) fn check_part(&self, lease: &PartLease) {
        let id = lease.id();
        let told = self
            .told
            .get(&id)
            .unwrap_or_else(|| panic!("{id} is a stranger"));
        assert_eq!(*lease.envelope, told.envelope);
        assert!(
            lease.attempts <= told.attempts,
            "{id}: attempts from nowhere"
        );
        assert!(!lease.addressees.is_empty());
        for addressee in &lease.addressees {
            let owing = told.owing.get(&name(addressee));
            assert_eq!(owing, Some(&Owing::Owed), "{id}: {}", name(addressee));
        }
    }
}
