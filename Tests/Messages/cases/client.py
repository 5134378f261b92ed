"""The commands that talk to a coordinator."""

COMMANDS = """
# Options and arguments
amp4ec nosuch
amp4ec statsu
amp4ec --nosuch
amp4ec status w1
amp4ec status --deadlin 5s
amp4ec status --deadline
amp4ec status --deadline 5
amp4ec status --deadline 0s
amp4ec status --coordinator here:port
amp4ec status --coordinator here:99999
amp4ec status --coordinator ::1:9100
amp4ec status --coordinator http://127.0.0.1:9100
amp4ec status --since 10m
amp4ec status --limit 5
amp4ec status --history --limit 0
amp4ec status --history --limit 1000000
amp4ec status --history --since 0s
amp4ec status --history ''
amp4ec status --cluster-secret-file secret
AMP4EC_CLUSTER_SECRET_FILE=/run/secret amp4ec status
amp4ec infer
amp4ec infer right.png --input right.npz
amp4ec infer right.png --output made/a.npz
amp4ec infer --input right.npz --output made/a.txt
amp4ec infer right.png --top 0
amp4ec infer right.png --top five
amp4ec bench
amp4ec bench --duration 1s --requests 1
amp4ec bench --duration 0s
amp4ec bench --duration 5
amp4ec bench --requests 0
amp4ec bench --requests 1 --batch 0
amp4ec bench --requests 1 --batch eight
amp4ec bench --requests 1 --concurrency 0
amp4ec bench --requests 1 --distinct 0
amp4ec bench --requests 1 --verify outputs.npz
amp4ec bench --requests 1 --tolerance=-1
amp4ec bench --requests 1 --seed=-1
amp4ec drain
amp4ec drain w1 w2
amp4ec drain --undo --force w1

# Whom it meets at the address
amp4ec status --coordinator @closed
amp4ec status --coordinator nosuch.invalid:9100
amp4ec status --coordinator 127.0.0.1:0
amp4ec status --coordinator @silent --deadline 1s
amp4ec status --coordinator @web --deadline 1s
amp4ec status --coordinator @gone --deadline 1s
amp4ec status --coordinator @worker --deadline 1s
amp4ec infer --coordinator @closed right.png
amp4ec bench --coordinator @closed --requests 1
amp4ec drain --coordinator @closed w1
amp4ec plan --coordinator @closed
amp4ec plan --coordinator @closed --model two.pt

# What the coordinator says
amp4ec status --coordinator @two --history nosuch
amp4ec drain --coordinator @two nosuch
amp4ec drain --coordinator @two w1
amp4ec drain --coordinator @two --undo nosuch
amp4ec drain --coordinator @empty w1
amp4ec status --coordinator @empty --history nosuch
amp4ec plan --coordinator @empty
amp4ec plan --coordinator @empty --model two.pt
amp4ec infer --coordinator @empty --input right.npz --deadline 500ms
amp4ec bench --coordinator @empty --requests 1 --deadline 500ms

# Inputs
amp4ec infer --coordinator @two right.png
amp4ec infer --coordinator @two --input nosuch.npz
amp4ec infer --coordinator @two --input a-folder
amp4ec infer --coordinator @two --input a-file
amp4ec infer --coordinator @two --input empty.npz
amp4ec infer --coordinator @two --input text.npz
amp4ec infer --coordinator @two --input cut.npz
amp4ec infer --coordinator @two --input changed.npz
amp4ec infer --coordinator @two --input no-entries.npz
amp4ec infer --coordinator @two --input not-arrays.npz
amp4ec infer --coordinator @two --input pickled.npz
amp4ec infer --coordinator @two --input tensors.pt
amp4ec infer --coordinator @two --input single.npy
amp4ec infer --coordinator @two --input one-is-missing.npz
amp4ec infer --coordinator @two --input other-names.npz
amp4ec infer --coordinator @two --input no-names.npz
amp4ec infer --coordinator @two --input many-names.npz
amp4ec infer --coordinator @two --input float64.npz
amp4ec infer --coordinator @two --input int64.npz
amp4ec infer --coordinator @two --input complex.npz
amp4ec infer --coordinator @two --input strings.npz
amp4ec infer --coordinator @two --input structured.npz
amp4ec infer --coordinator @two --input objects.npz
amp4ec infer --coordinator @two --input too-wide.npz
amp4ec infer --coordinator @two --input too-deep.npz
amp4ec infer --coordinator @two --input no-batch.npz
amp4ec infer --coordinator @two --input other-counts.npz
amp4ec infer --coordinator @two --input right.npz --output nosuch/a.npz
amp4ec infer --coordinator @two --input right.npz --output made/a.npy
amp4ec bench --coordinator @two --requests 1 --input nosuch.npz
amp4ec bench --coordinator @two --requests 1 --input no-items.npz
amp4ec bench --coordinator @two --requests 1 --input too-wide.npz
amp4ec bench --coordinator @two --requests 1 --input other-counts.npz
amp4ec bench --coordinator @two --requests 1 --input right.npz --verify nosuch.npz
amp4ec bench --coordinator @two --requests 1 --input right.npz --verify fewer-outputs.npz
amp4ec bench --coordinator @two --requests 1 --input right.npz --verify integer-outputs.npz
amp4ec bench --coordinator @two --requests 1 --input right.npz --verify other-outputs.npz
amp4ec bench --coordinator @two --requests 1 --input right.npz --verify outputs.npz
amp4ec bench --coordinator @two --requests 1 --timeline nosuch/a.json
amp4ec bench --coordinator @two --requests 1 --timeline a-folder
amp4ec bench --coordinator @two --requests 1 --deadline 1ns
"""
