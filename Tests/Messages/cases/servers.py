"""amp4ec-worker, amp4ec-coordinator and amp4ec-check: their options, and what they meet."""

COMMANDS = """
amp4ec-check --worker here
amp4ec-check --worker @closed
amp4ec-check --worker 127.0.0.1:0
amp4ec-check --worker @closed --deadline 0s
amp4ec-check --worker @closed extra
amp4ec-check --worker nosuch.invalid:9000
amp4ec-check --worker @silent --deadline 500ms
amp4ec-check --worker @web --deadline 1s
amp4ec-check --worker @gone --deadline 1s
amp4ec-check --worker @two --deadline 2s
amp4ec-check --coordinator @worker --deadline 2s
amp4ec-check --coordinator @closed

amp4ec-worker extra
amp4ec-worker --listen here:port
amp4ec-worker --listen @silent
amp4ec-worker --listen 192.0.2.1:9000
amp4ec-worker --listen nosuch.invalid:9000
amp4ec-worker --listen 127.0.0.1:0 --check
amp4ec-worker --listen @closed --check
amp4ec-worker --threads 0
amp4ec-worker --threads many
amp4ec-worker --executors 0
amp4ec-worker --allow-model 31ab
amp4ec-worker --allow-model ''
amp4ec-worker --allow-model sha256:0000000000000000000000000000000000000000000000000000000000000000
amp4ec-worker --name coordinator
amp4ec-worker --name ''
amp4ec-worker --advertise box:9000
amp4ec-worker --coordinator gateway
amp4ec-worker --coordinator gateway:0
amp4ec-worker --coordinator gateway:9100 --advertise :9000
amp4ec-worker --listen 127.0.0.1:0 --cache-dir a-file
amp4ec-worker --listen 127.0.0.1:0 --cache-dir /proc/cache
amp4ec-worker --cache-limit 5M
amp4ec-worker --memory-limit lots
amp4ec-worker --memory-limit=-1
amp4ec-worker --log-level loud
amp4ec-worker --cluster-secret-file secret
amp4ec-worker --listen 127.0.0.1:0 --coordinator @closed … warning
amp4ec-worker --listen 127.0.0.1:0 --coordinator nosuch.invalid:9100 … warning
amp4ec-worker --listen 127.0.0.1:0 --coordinator @web … warning
amp4ec-worker --listen 127.0.0.1:0 --coordinator @worker … warning
amp4ec-worker --listen 127.0.0.1:0 --name w1 --coordinator @two … warning

amp4ec-coordinator
amp4ec-coordinator extra
amp4ec-coordinator --modle two.pt
amp4ec-coordinator --model two.pt --workers w1:9000 --topology topology/right.yaml
amp4ec-coordinator --model two.pt --workers ''
amp4ec-coordinator --model two.pt --workers w1
amp4ec-coordinator --model two.pt --workers w1:9000,
amp4ec-coordinator --model two.pt --workers 9000
amp4ec-coordinator --model two.pt --workers w1:0
amp4ec-coordinator --model two.pt --workers w1:9000,w1:9000
amp4ec-coordinator --model two.pt --workers ::1:9000
amp4ec-coordinator --model two.pt --topology ''
amp4ec-coordinator --model two.pt --topology dns:
amp4ec-coordinator --model two.pt --topology dns:workers
amp4ec-coordinator --model two.pt --topology dns:127.0.0.1:9000
amp4ec-coordinator --model two.pt --topology dns:a:9000 --topology topology/right.yaml
amp4ec-coordinator --model two.pt --optimize O2
amp4ec-coordinator --model two.pt --optimize fast
amp4ec-coordinator --model two.pt --strategy best
amp4ec-coordinator --model two.pt --maximum-load 0
amp4ec-coordinator --model two.pt --maximum-load 80%
amp4ec-coordinator --model two.pt --micro-batch 0
amp4ec-coordinator --model two.pt --batch all
amp4ec-coordinator --model two.pt --compress sometimes
amp4ec-coordinator --model two.pt --deadline 5
amp4ec-coordinator --model two.pt --deadline 0s
amp4ec-coordinator --model two.pt --heartbeat-timeout 10ms
amp4ec-coordinator --model two.pt --join-timeout soon
amp4ec-coordinator --model two.pt --result-cache 256M
amp4ec-coordinator --model two.pt --queue-limit 0s
amp4ec-coordinator --model two.pt --queue-limit soon
amp4ec-coordinator --model two.pt --http 127.0.0.1:0 --http-max-body 5M
amp4ec-coordinator --model two.pt --http-max-body 5MiB
amp4ec-coordinator --model two.pt --spec x:float64[N]
amp4ec-coordinator --model two.pt --log-level loud
amp4ec-coordinator --model two.pt --cluster-secret-file secret
amp4ec-coordinator --model two.pt --listen @silent
amp4ec-coordinator --model two.pt --listen 192.0.2.1:9000
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http @silent
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http web
amp4ec-coordinator --model two.pt --http-insecure
amp4ec-coordinator --model two.pt --http-token-file http-tokens
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-host http://box
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-host 127.0.0.1
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-tls-cert a-file
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-tls-key a-file
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-tls-cert a-file --http-tls-key a-file
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file nosuch
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file a-folder
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file a-file
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file http-short
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file http-key
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http 127.0.0.1:0 --http-token-file http-tokens --http-token-file http-tokens
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --http :0 --http-token-file http-tokens … over plain HTTP
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --state-dir a-file
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --state-dir /proc/state
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --state-dir taken-state --http @two
amp4ec-coordinator --model nosuch.pt --listen 127.0.0.1:0
amp4ec-coordinator --model state-dict.pt --listen 127.0.0.1:0
amp4ec-coordinator --model no-manifest.pt --listen 127.0.0.1:0
amp4ec-coordinator --model manifest-wrong-width.pt --listen 127.0.0.1:0
amp4ec-coordinator --model wants.pt --listen 127.0.0.1:0
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --example nosuch.npz
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers @closed … no plan
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers nosuch.invalid:9000 … no plan
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers @web … warning
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers @two … warning
amp4ec-coordinator --model two.pt --listen 127.0.0.1:0 --workers @worker … warning
amp4ec-coordinator --model two.pt --config nosuch.yaml
amp4ec-coordinator --model two.pt --config a-folder
amp4ec-coordinator --config config/empty.yaml
amp4ec-coordinator --config config/list.yaml
amp4ec-coordinator --config config/unknown.yaml
amp4ec-coordinator --config config/value.yaml
amp4ec-coordinator --config config/zero.yaml
amp4ec-coordinator --config config/level.yaml
amp4ec-coordinator --config config/share.yaml
amp4ec-coordinator --config config/spec.yaml
amp4ec-coordinator --config config/workers.yaml
amp4ec-coordinator --config config/both.yaml
amp4ec-coordinator --config config/dashes.yaml
amp4ec-coordinator --config config/tab.yaml
"""
