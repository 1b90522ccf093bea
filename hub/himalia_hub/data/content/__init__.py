"""Content: immutable bytes of tenants by digest, in S3, as blobs of their own or in packs."""
