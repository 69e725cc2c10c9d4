//! Records and shows what parshall channels say of themselves.
