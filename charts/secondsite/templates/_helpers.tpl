{{- define "secondsite.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "secondsite.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "secondsite.selector" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{/* No root, no way to become root, no token of the cluster. */}}
{{- define "secondsite.podSecurity" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "secondsite.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop:
      - ALL
{{- end }}

{{- define "secondsite.urls" -}}
{{- required "nats.urls: give the client URLs of this region's servers" (join "," .Values.nats.urls) -}}
{{- end }}

{{/* The login of a program: its password, or its credentials file in operator mode. */}}
{{- define "secondsite.login" -}}
{{- if .root.Values.nats.credentialsSecret -}}
- name: NATS_CREDS
  value: /etc/nats-creds/{{ .user }}.creds
{{- else -}}
- name: NATS_USER
  value: {{ .user }}
- name: NATS_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .root.Values.nats.loginsSecret }}
      key: NATS_{{ upper .user }}_PASSWORD
{{- end }}
{{- end }}

{{- define "secondsite.loginMount" -}}
{{- if .Values.nats.credentialsSecret -}}
- name: creds
  mountPath: /etc/nats-creds
  readOnly: true
{{- end }}
{{- end }}

{{- define "secondsite.loginVolume" -}}
{{- if .Values.nats.credentialsSecret -}}
- name: creds
  secret:
    secretName: {{ .Values.nats.credentialsSecret }}
{{- end }}
{{- end }}
