"""S3 servers."""

from __future__ import annotations

from s3_servers import moto_s3, rclone_s3

__all__ = ["moto_s3", "rclone_s3"]
