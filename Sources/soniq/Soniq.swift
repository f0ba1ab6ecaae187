// The link unit of libsoniq.so. It holds no code: it alone carries the release link flags, which
// SwiftPM would otherwise hand on to every test bundle.
