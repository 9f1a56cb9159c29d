{{/*
The write gate in the pods of the NATS servers. The chart of the servers depends on this one and includes, with the
context of this chart (.Subcharts.secondsite):

  initContainers: secondsite.gate.initContainer    closes the gate before the server starts
  containers:     secondsite.gate.container        keeps it closed until it is safe to open
  volumes:        secondsite.gate.volumes

The server's container mounts the volume `gate` at the folder `gate` beside its nats.conf, which includes
gate/REGION.conf.
*/}}
{{- define "secondsite.gate.initContainer" -}}
{{ include "secondsite.gate" (dict "root" . "name" "gate-shut" "shut" true) }}
{{- end }}

{{- define "secondsite.gate.container" -}}
{{ include "secondsite.gate" (dict "root" . "name" "gate" "shut" false) }}
{{- end }}

{{- define "secondsite.gate.volumes" -}}
- name: gate
  emptyDir: {}
- name: gate-config
  configMap:
    name: secondsite-gate
{{- end }}

{{- define "secondsite.gate" -}}
- name: {{ .name }}
  image: {{ include "secondsite.image" .root }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    - gate
    - --nats
    - nats://localhost:4222
    - --system
    - nats://localhost:4222
    - --folder
    - /nats
    - --config
    - /secondsite/gate.json
    {{- if .shut }}
    - --shut
    {{- end }}
  env:
    {{- include "secondsite.login" (dict "root" .root "user" "gate") | nindent 4 }}
    - name: NATS_SYSTEM_USER
      value: gate-system
    - name: NATS_SYSTEM_PASSWORD
      valueFrom:
        secretKeyRef:
          name: {{ .root.Values.nats.loginsSecret }}
          key: NATS_GATE_PASSWORD
  volumeMounts:
    - name: gate
      mountPath: /nats/gate
    - name: gate-config
      mountPath: /secondsite
      readOnly: true
{{- end }}
