CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE IF NOT EXISTS outbox (
  id          bigserial PRIMARY KEY,
  topic       text        NOT NULL,
  payload     jsonb       NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  sent_at     timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

CREATE TABLE IF NOT EXISTS memories (
  id         uuid PRIMARY KEY,
  tenant     text NOT NULL,
  body       text NOT NULL,
  embedding  vector(1536)
);

CREATE OR REPLACE FUNCTION memories_to_outbox() RETURNS trigger AS $$
BEGIN
  INSERT INTO outbox (topic, payload) VALUES ('memories.' || lower(TG_OP), to_jsonb(NEW) - 'embedding');
  RETURN NEW;
END;
$$ LANGUAGE plpgsql;

DROP TRIGGER IF EXISTS memories_outbox ON memories;
CREATE TRIGGER memories_outbox AFTER INSERT OR UPDATE ON memories
  FOR EACH ROW EXECUTE FUNCTION memories_to_outbox();
