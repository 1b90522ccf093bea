"""The README.md that a new notebook finds in its home (NB-8)."""

from __future__ import annotations

WELCOME_PATH = "/himalia/welcome/README.md"
HOME = "/home/jovyan"

# The home is empty before the first start and belongs to its owner from then on, so the page is
# copied once, by the sandboxed process itself, and never over a file of the same name.
COPY_AND_RUN = (
    "sh",
    "-c",
    f'[ -e "{HOME}/README.md" ] || cp {WELCOME_PATH} "{HOME}/README.md"; exec "$@"',
    "notebook",
)

TEXT = """\
# Welcome to Himalia

This folder is your home. It stays when the notebook stops. The mountain in the left bar opens
Himalia: data, labelling, training, models, services and bills.

## Where things are

| path | |
|---|---|
| `/home/jovyan` | your home: files, notebooks, packages you install with `pip` |
| `/himalia/input/input0` … `input4` | dataset versions that you bound to this notebook, read-only |

## In a cell

```python
%load_ext himalia
%himalia status
```

```python
import himalia
himalia.datasets.list()
```

`%%train` sends the cell to a training run, `%deploy` makes an online service of a model, `%predict`
asks it. `himalia --help` in a terminal lists the commands.

## What a training script receives

The same values come as command-line arguments and as environment variables (upper case); arguments
that a script does not declare are not passed.

| argument | meaning |
|---|---|
| `--data_url` | folder of the dataset version: `images/`, `annotations.jsonl`, `labels.json`, `dataset.json` |
| `--train_model_out` | write the model here; it becomes a model version |
| `--train_out` | write files to keep here |
| `--train_log` | write logs here |
| `--model_load_dir` | a model to start from, if one was chosen |
| `--gpu_num_per_node` | accelerators per node |
| `--num_nodes` | nodes; with `MASTER_ADDR`, `MASTER_PORT`, `WORLD_SIZE`, `RANK`, `LOCAL_RANK` |

Metrics appear as live curves: `himalia.log(loss=0.2, step=3)`.

---

# 欢迎使用 Himalia

此文件夹是您的主目录，停止笔记本后内容仍会保留。左侧栏的山形图标打开 Himalia：数据、标注、训练、模型、服务与账单。

已绑定的数据集版本位于 `/himalia/input/input0` … `input4`（只读）。训练脚本通过命令行参数和环境变量获得上表中的路径；
将模型写入 `--train_model_out`，将需要保留的文件写入 `--train_out`。
"""
