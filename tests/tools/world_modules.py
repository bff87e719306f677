"""The code that jobs of the tools' worlds name: each builds a module, as it is or quantised."""

HEAD = "import torch\nfrom torch import nn\n\n\n"
TORCHAO = """

def build_int8_weights():
    from torchao.quantization import Int8WeightOnlyConfig, quantize_

    module = build().eval()
    quantize_(module, Int8WeightOnlyConfig())
    return module


def build_int8_dynamic():
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    module = build().eval()
    quantize_(module, Int8DynamicActivationInt8WeightConfig())
    return module


def build_torch_ao():
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, as the card says
        return torch.ao.quantization.quantize_dynamic(build().eval(), {nn.Linear})
"""

CNN = """\
class Digits(nn.Module):
    def __init__(self, wide=16, hidden=64):
        super().__init__()
        self.conv = nn.Conv2d(1, wide, 3, padding=1)
        self.norm = nn.BatchNorm2d(wide)
        self.pool = nn.MaxPool2d(2)
        self.hidden = nn.Linear(wide * 16, hidden)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        x = torch.relu(self.norm(self.conv(x.reshape(-1, 1, 8, 8) / 16)))
        return self.out(torch.relu(self.hidden(self.pool(x).flatten(1))))


def build():
    return Digits()


def build_student():
    return Digits(6, 24)
"""

MLP = '''\
class Scaled(nn.Module):
    """Numbers are divided by what they usually are; the rest is a plain network."""

    def __init__(self, hidden=48):
        super().__init__()
        self.register_buffer("usual", torch.ones(WIDTH))
        self.first = nn.Linear(WIDTH, hidden)
        self.second = nn.Linear(hidden, 32)
        self.out = nn.Linear(32, 2)

    def forward(self, x):
        x = torch.relu(self.first(x / self.usual))
        return self.out(torch.relu(self.second(x)))


def build():
    return Scaled()


def build_student():
    return Scaled(12)
'''

GRU = '''\
class Rows(nn.Module):
    """Reads an image row by row, as a sequence of eight steps."""

    def __init__(self, hidden=48):
        super().__init__()
        self.reader = nn.GRU(8, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 10)

    def forward(self, x):
        _, last = self.reader(x.reshape(-1, 8, 8) / 16)
        return self.out(last[0])


def build():
    return Rows()


def build_student():
    return Rows(20)
'''


MINILM = '''\
class Classifier(nn.Module):
    """MiniLM's six layers over token numbers, the mean of their answers, and a head."""

    def __init__(self, **other):
        super().__init__()
        from transformers import BertConfig, BertModel
        from transformers.initialization import no_init_weights

        with no_init_weights():  # all of them come from a file
            self.encoder = BertModel(BertConfig(**CONFIG | other), add_pooling_layer=False)
        self.out = nn.Linear(384, 2)

    def forward(self, x):
        tokens = x.long()
        said = self.encoder(input_ids=tokens, attention_mask=(tokens > 0).long())
        there = (tokens > 0).unsqueeze(2)
        return self.out((said.last_hidden_state * there).sum(1) / there.sum(1))


def build():
    return Classifier()


def build_student():
    return Classifier(num_hidden_layers=2)
'''
