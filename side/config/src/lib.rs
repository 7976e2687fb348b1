//! Directory objects to checked settings of each room
