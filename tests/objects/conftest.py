"""Object stores."""

from __future__ import annotations

from store_servers import azurite, fake_gcs, moto_s3, rclone_s3

__all__ = ["azurite", "fake_gcs", "moto_s3", "rclone_s3"]
