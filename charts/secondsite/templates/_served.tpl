{{/* An observer or a watch: a Deployment with a page, and its Service. */}}
{{- define "secondsite.served" -}}
{{- $watches := eq .container "watch" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "secondsite.labels" . | nindent 4 }}
spec:
  replicas: 1
  # Two watches of one name are one too many.
  strategy:
    type: Recreate
  selector:
    matchLabels:
      {{- include "secondsite.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "secondsite.labels" . | nindent 8 }}
      annotations:
        checksum/config: {{ .sum }}
    spec:
      {{- include "secondsite.podSecurity" .root | nindent 6 }}
      containers:
        - name: {{ .container }}
          image: {{ include "secondsite.image" .root }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          args:
            {{- range .args }}
            - {{ . | quote }}
            {{- end }}
          {{- if $watches }}
          envFrom:
            - secretRef:
                name: {{ .root.Values.watch.secret }}
          {{- else }}
          env:
            {{- include "secondsite.login" (dict "root" .root "user" "agent") | nindent 12 }}
            - name: SECONDSITE_WATCH_TOKEN
              valueFrom:
                secretKeyRef:
                  name: {{ .root.Values.watch.secret }}
                  key: SECONDSITE_WATCH_TOKEN
          {{- end }}
          ports:
            - containerPort: {{ .port }}
          livenessProbe:
            httpGet:
              path: /alive
              port: {{ .port }}
            initialDelaySeconds: 15
            periodSeconds: 10
          {{- include "secondsite.containerSecurity" .root | nindent 10 }}
          volumeMounts:
            {{- if $watches }}
            - name: journals
              mountPath: /var/lib/secondsite
            - name: config
              mountPath: /var/lib/secondsite/secondsite.yaml
              subPath: secondsite.yaml
            {{- else }}
            - name: config
              mountPath: /etc/secondsite
              readOnly: true
            {{- include "secondsite.loginMount" .root | nindent 12 }}
            {{- end }}
      volumes:
        {{- if $watches }}
        - name: journals
          {{- with .root.Values.watch.decider.journalsClaim }}
          persistentVolumeClaim:
            claimName: {{ . }}
          {{- else }}
          emptyDir: {}
          {{- end }}
        {{- end }}
        - name: config
          configMap:
            name: {{ .name }}
        {{- if not $watches }}
        {{- include "secondsite.loginVolume" .root | nindent 8 }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- include "secondsite.labels" . | nindent 4 }}
spec:
  selector:
    {{- include "secondsite.selector" . | nindent 4 }}
  ports:
    - port: {{ .port }}
{{- end }}
