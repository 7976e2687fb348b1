//! Which next hop: address spaces, costs, restrictions; pure
