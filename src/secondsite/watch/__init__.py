"""The watch: observers see, a quorum decides, an operation is started under the lease."""
