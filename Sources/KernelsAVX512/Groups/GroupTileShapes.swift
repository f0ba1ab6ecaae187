import CKernelABI
import CSIMD

// One function a tile shape and form, because the optimiser stops inlining when a caller grows.

@inline(never)
func bytes6Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(6, 16, level.pointee, place, memory) { $0.addBytes($1, $2, $3, $4) }
}

@inline(never)
func bytes6Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(6, 16, level.pointee, place, memory) { $0.addBytes($1, $2, $3, $4) }
}

@inline(never)
func bytes3Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(3, 16, level.pointee, place, memory) { $0.addBytes($1, $2, $3, $4) }
}

@inline(never)
func bytes3Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(3, 16, level.pointee, place, memory) { $0.addBytes($1, $2, $3, $4) }
}

@inline(never)
func twice6Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(6, 16, level.pointee, place, memory) { $0.addTwice($1, $2, $3, $4) }
}

@inline(never)
func twice6Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(6, 16, level.pointee, place, memory) { $0.addTwice($1, $2, $3, $4) }
}

@inline(never)
func twice3Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(3, 16, level.pointee, place, memory) { $0.addTwice($1, $2, $3, $4) }
}

@inline(never)
func twice3Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(3, 16, level.pointee, place, memory) { $0.addTwice($1, $2, $3, $4) }
}

@inline(never)
func nibbles6Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(6, 8, level.pointee, place, memory) { $0.addNibbles($1, $2, $3, $4) }
}

@inline(never)
func nibbles6Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(6, 8, level.pointee, place, memory) { $0.addNibbles($1, $2, $3, $4) }
}

@inline(never)
func nibbles3Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(3, 8, level.pointee, place, memory) { $0.addNibbles($1, $2, $3, $4) }
}

@inline(never)
func nibbles3Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(3, 8, level.pointee, place, memory) { $0.addNibbles($1, $2, $3, $4) }
}

@inline(never)
func entries6Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(6, 8, level.pointee, place, memory) { $0.addEntries($1, $2, $3, $4) }
}

@inline(never)
func entries6Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(6, 8, level.pointee, place, memory) { $0.addEntries($1, $2, $3, $4) }
}

@inline(never)
func entries3Direct(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyDirect(3, 8, level.pointee, place, memory) { $0.addEntries($1, $2, $3, $4) }
}

@inline(never)
func entries3Parts(_ level: UnsafePointer<GroupLevel>, _ place: GroupPlace, _ memory: GroupMemory) {
  multiplyParts(3, 8, level.pointee, place, memory) { $0.addEntries($1, $2, $3, $4) }
}
