"""The commands that work alone: plan, reference, baseline, simulate and secret."""

COMMANDS = """
# Options
amp4ec plan --nodes 1:1GiB
amp4ec plan --compare
amp4ec plan --svg made/a.svg
amp4ec plan --bandwidth 1MiB
amp4ec plan --micro-batch 4
amp4ec plan --model two.pt --nodes 1
amp4ec plan --model two.pt --nodes 1:1GiB --coordinator gateway:9100
amp4ec plan --model two.pt --nodes 1:1GiB --deadline 5s
amp4ec plan --model two.pt --nodes 0:1GiB
amp4ec plan --model two.pt --nodes 1:1GiB,
amp4ec plan --model two.pt --nodes 1:1G
amp4ec plan --model two.pt --nodes a=1:1GiB,a=1:1GiB
amp4ec plan --model two.pt --nodes 1:1GiB --pin a=0
amp4ec plan --model two.pt --nodes a=1:1GiB --pin a=first
amp4ec plan --model two.pt --nodes a=1:1GiB --pin a=0 --pin a=0
amp4ec plan --model two.pt --nodes a=1:1GiB,b=1:1GiB --pin a=5
amp4ec plan --model two.pt --nodes a=1:1GiB --without b
amp4ec plan --model two.pt --nodes a=1:1GiB --without a
amp4ec plan --model two.pt --nodes 1:1GiB --bandwidth fast
amp4ec plan --model two.pt --nodes 1:1GiB --latency 5
amp4ec plan --model two.pt --nodes 1:1GiB --strategy best
amp4ec plan --model two.pt --nodes 1:1GiB --shape star
amp4ec plan --model two.pt --nodes 1:1GiB --objective price
amp4ec plan --model two.pt --nodes 1:1GiB --cost time
amp4ec plan --model two.pt --nodes 1:1GiB --micro-batch 0
amp4ec plan --model two.pt --nodes 1:1GiB --micro-batch auto
amp4ec plan --model two.pt --nodes 1:1GiB --svg nosuch/a.svg
amp4ec plan --model two.pt --nodes 1:1GiB --input right.npz
amp4ec plan --model two.pt --nodes 1:1MiB
amp4ec plan --model two.pt --nodes 1:1MiB,1:1MiB --shape auto
amp4ec reference
amp4ec reference --model two.pt
amp4ec reference --model two.pt --input right.npz
amp4ec reference --model two.pt --output made/a.npz
amp4ec reference --model two.pt right.png --input right.npz --output made/a.npz
amp4ec reference --model two.pt --input right.npz --output made/a.npz --batch 0
amp4ec reference --model two.pt --input right.npz --output made/a.npz --optimize O0
amp4ec reference --model two.pt --input right.npz --output made/a.txt
amp4ec reference --model two.pt --input right.npz --output made/a.npy
amp4ec reference --model two.pt --input right.npz --output nosuch/a.npz
amp4ec reference --model pixels.pt right.png --top 0
amp4ec baseline
amp4ec baseline --model two.pt --batch 0
amp4ec baseline --model two.pt --micro-batch 64
amp4ec baseline --model two.pt --optimize O2
amp4ec baseline --model two.pt --duration 0s
amp4ec baseline --model two.pt --threads 0
amp4ec baseline --model two.pt --executors 0
amp4ec baseline --model nosuch.pt
amp4ec baseline --model two.pt --timeline nosuch/a.json
amp4ec simulate
amp4ec simulate --seeds 0
amp4ec simulate --seeds 1 --duration 1s
amp4ec simulate --seeds 1 --trace
amp4ec simulate --duration 0s
amp4ec simulate --seed 1 --nodes 0
amp4ec simulate --seed 1 --clients 100
amp4ec simulate --seed 1 --profile worst
amp4ec simulate --seed one

# Models
amp4ec reference --model nosuch.pt --input right.npz --output made/b.npz
amp4ec plan --model nosuch.pt --nodes 1:1GiB
amp4ec reference --model a-folder --input right.npz --output made/b.npz
amp4ec reference --model empty.pt --input right.npz --output made/b.npz
amp4ec reference --model text.pt --input right.npz --output made/b.npz
amp4ec reference --model page.pt --input right.npz --output made/b.npz
amp4ec reference --model cut.pt --input right.npz --output made/b.npz
amp4ec reference --model onnx.pt --input right.npz --output made/b.npz
amp4ec reference --model safetensors.pt --input right.npz --output made/b.npz
amp4ec reference --model hdf.pt --input right.npz --output made/b.npz
amp4ec reference --model state-dict.pt --input right.npz --output made/b.npz
amp4ec reference --model old-state-dict.pt --input right.npz --output made/b.npz
amp4ec reference --model zip.pt --input right.npz --output made/b.npz
amp4ec reference --model exported.pt --input right.npz --output made/b.npz
amp4ec reference --model no-manifest.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-text.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-list.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-no-inputs.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-float64.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-shape.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-no-shape.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-one-input.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-half-names.pt --input right.npz --output made/b.npz
amp4ec reference --model manifest-wrong-width.pt --input right.npz --output made/b.npz
amp4ec plan --model manifest-wrong-width.pt --nodes 1:1GiB
amp4ec reference --model manifest-batch.pt --input right.npz --output made/b.npz
amp4ec plan --model nms.pt --nodes 1:1GiB
amp4ec plan --model text-and-tensor.pt --nodes 1:1GiB
amp4ec plan --model notensor.pt --nodes 1:1GiB
amp4ec plan --model wants.pt --nodes 1:1GiB
amp4ec plan --model double.pt --nodes 1:1GiB
amp4ec plan --model number.pt --nodes 1:1GiB
amp4ec plan --model two.pt --nodes 1:1GiB --spec x
amp4ec plan --model two.pt --nodes 1:1GiB --spec x:float64[N,3]
amp4ec plan --model two.pt --nodes 1:1GiB --spec x:float32[N,3
amp4ec plan --model two.pt --nodes 1:1GiB --spec x:float32[N,-3]
amp4ec plan --model two.pt --nodes 1:1GiB --spec x:float32[N,N]
amp4ec plan --model two.pt --nodes 1:1GiB --spec x:float32[N,12]
amp4ec plan --model two.pt --nodes 1:1GiB --spec features:float32[N,12] --spec features:float32[N,6]
amp4ec plan --model two.pt --nodes 1:1GiB --spec features:float32[N,12] --spec b:float32[N,6]
amp4ec plan --model two.pt --nodes 1:1GiB --spec a:float32[N,13] --spec b:float32[N,6]
amp4ec plan --model two.pt --nodes 1:1GiB --example nosuch.npz
amp4ec plan --model two.pt --nodes 1:1GiB --example single.npy
amp4ec plan --model two.pt --nodes 1:1GiB --example one-is-missing.npz
amp4ec plan --model two.pt --nodes 1:1GiB --example too-wide.npz
amp4ec plan --model two.pt --nodes 1:1GiB --example other-counts.npz
amp4ec plan --model two.pt --nodes 1:1GiB --example no-items.npz

# Arrays and pictures
amp4ec reference --model two.pt --input nosuch.npz --output made/c.npz
amp4ec reference --model two.pt --input too-wide.npz --output made/c.npz
amp4ec reference --model two.pt --input other-counts.npz --output made/c.npz
amp4ec reference --model two.pt right.png
amp4ec reference --model pixels.pt --input empty.npy --output made/c.npz
amp4ec reference --model pixels.pt --input single.npy --output made/c.npz
amp4ec reference --model pixels.pt --input cut.npy --output made/c.npz
amp4ec reference --model pixels.pt --input long.npy --output made/c.npz
amp4ec reference --model pixels.pt --input cut-header.npy --output made/c.npz
amp4ec reference --model pixels.pt --input other-version.npy --output made/c.npz
amp4ec reference --model pixels.pt --input no-dictionary.npy --output made/c.npz
amp4ec reference --model pixels.pt --input huge-shape.npy --output made/c.npz
amp4ec reference --model pixels.pt --input right.png --output made/c.npz
amp4ec reference --model pixels.pt nosuch.png
amp4ec reference --model pixels.pt a-folder
amp4ec reference --model pixels.pt empty.png
amp4ec reference --model pixels.pt cut.png
amp4ec reference --model pixels.pt few-rows.png
amp4ec reference --model pixels.pt changed.png
amp4ec reference --model pixels.pt wide.png
amp4ec reference --model pixels.pt huge.png
amp4ec reference --model pixels.pt page.png
amp4ec reference --model pixels.pt svg.png
amp4ec reference --model pixels.pt tiff.png
amp4ec reference --model pixels.pt text.jpg
amp4ec reference --model pixels.pt cut.jpg
amp4ec reference --model pixels.pt gif.jpg
amp4ec reference --model pixels.pt webp.jpg
amp4ec reference --model pixels.pt bmp.jpg
amp4ec reference --model pixels.pt heic.jpg
amp4ec reference --model pixels.pt pdf.jpg
amp4ec reference --model pixels.pt single.npy

# Keys
amp4ec secret --derive client --http-token client
amp4ec secret --derive root
amp4ec secret --derive client
amp4ec secret --derive cluster --label a
amp4ec secret --derive client --label 'a b'
amp4ec secret --derive client --cluster-secret-file keys/nosuch
amp4ec secret --derive client --cluster-secret-file keys/client
amp4ec secret --derive client --cluster-secret-file keys/open
AMP4EC_CLUSTER_SECRET_FILE=keys/open amp4ec secret --derive client
amp4ec secret --http-token reader
amp4ec secret --http-token client --label ''
amp4ec secret --label a
amp4ec secret --cluster-secret-file keys/root
amp4ec secret --output keys/root
amp4ec secret --output nosuch/key
HOME= amp4ec secret
HOME=/proc amp4ec secret
amp4ec secret --check keys/root --output keys/copy
amp4ec secret --check keys/nosuch
amp4ec secret --check keys
amp4ec secret --check keys/pipe
amp4ec secret --check keys/link
amp4ec secret --check keys/empty
amp4ec secret --check keys/text
amp4ec secret --check keys/short
amp4ec secret --check keys/long
amp4ec secret --check keys/binary
amp4ec secret --check keys/open
"""
