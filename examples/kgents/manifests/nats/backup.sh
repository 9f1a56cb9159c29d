#!/bin/sh
# Daily backup of JetStream: one folder a day, a week of them.
TARGET="/backup/$(date -u +%Y-%m-%d)"
mkdir -p "$TARGET"

nats stream ls --names > "$TARGET/streams.txt" || true
while read -r stream; do
  nats stream info "$stream" --json > "$TARGET/$stream.stream.json" || true
  nats consumer ls "$stream" --names > "$TARGET/$stream.consumers.txt" || true
  while read -r consumer; do
    nats consumer info "$stream" "$consumer" --json > "$TARGET/$stream.$consumer.consumer.json" || true
  done < "$TARGET/$stream.consumers.txt"
done < "$TARGET/streams.txt"

tar -czf "$TARGET.tar.gz" -C /backup "$(basename "$TARGET")" && rm -rf "$TARGET"

if [ -n "$AWS_ACCESS_KEY_ID" ]; then
  aws s3 cp "$TARGET.tar.gz" "s3://$BACKUP_BUCKET/nats/" || true
else
  echo "no credential for object storage, upload skipped"
fi

find /backup -name '*.tar.gz' -mtime +7 -delete
echo "backup done"
