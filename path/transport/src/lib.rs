//! The corridor: take, categorize, route, hand over, settle, report
