"""The catalogue's tasks with images, except the miniature's. Repositories hold Parquet: none needs a loading script.

Multi30K is read from a user's own folder.

The descriptions of the repositories come from public copies of their cards and of programs that load them; none could
be downloaded where the catalogue was written. A revision is one that such a program pins. Where none was found, the
revision is None and the notes say so.
"""

from __future__ import annotations

from trainables.tasks.caption_source import CaptionSource
from trainables.tasks.hub_source import JoinedConfig
from trainables.tasks.spec import HubSource, TaskSpec

_UNPINNED = "Revision not pinned: no full commit was found where the catalogue was written."
_NOT_LOADED = "Columns and splits are from the repository's card; its rows were not loaded here."
_FROM_CODE = "Revision, columns and splits are those of a public program that loads it; its rows were not loaded here."
_TRAIN_AND_VALIDATION = {"train": ("train",), "validation": ("validation",)}

MULTIMODAL: tuple[TaskSpec, ...] = (
    TaskSpec(
        name="flickr30k",
        kind="image_text_retrieval",
        source=HubSource(repository="umaru97/flickr30k_train_val_test"),
        splits={"train": ("train",), "validation": ("val",), "test": ("test",)},
        columns={"image": "image", "caption": "caption"},
        metric="recall_at_1",
        num_train_examples=29_000,
        licence="Research only; photographs belong to their authors on Flickr",
        citation="Young et al. 2014, TACL 2; splits of Karpathy and Fei-Fei 2015, arXiv 1412.2306",
        notes="29,000, 1,014 and 1,000 photographs with five English captions each; scored with the first, in blocks "
        f"of 100. {_NOT_LOADED} {_UNPINNED}",
    ),
    TaskSpec(
        name="coco_captions",
        kind="image_text_retrieval",
        source=HubSource(repository="AKCIT/coco2017-captioning"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"image": "image", "caption": "captions"},
        metric="recall_at_1",
        num_train_examples=118_287,
        licence="Captions CC BY 4.0; photographs under Flickr's terms",
        citation="Chen et al. 2015, arXiv 1504.00325",
        notes="COCO 2017: 118,287 and 5,000 photographs with five English captions each; scored with the first, in "
        f"blocks of 100. {_NOT_LOADED} {_UNPINNED}",
    ),
    TaskSpec(
        name="flickr30k_distillation",
        kind="distillation",
        source=HubSource(repository="umaru97/flickr30k_train_val_test"),
        splits={"train": ("train",), "validation": ("val",)},
        columns={"text": "caption"},
        metric="recall_at_1",
        num_train_examples=145_000,
        licence="Research only",
        citation="Young et al. 2014, TACL 2; Reimers and Gurevych 2020, arXiv 2004.09813",
        notes="The English captions of flickr30k, each with the sentence vector of the phase's `teacher`, a CLIP text "
        f"model. No image is read. {_NOT_LOADED} {_UNPINNED}",
    ),
    TaskSpec(
        name="coco_distillation",
        kind="distillation",
        source=HubSource(repository="AKCIT/coco2017-captioning"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"text": "captions"},
        metric="recall_at_1",
        num_train_examples=591_753,
        licence="Captions CC BY 4.0",
        citation="Chen et al. 2015, arXiv 1504.00325; Reimers and Gurevych 2020, arXiv 2004.09813",
        notes="The English captions of coco_captions, each with the sentence vector of the phase's `teacher`, a CLIP "
        f"text model. No image is read. {_NOT_LOADED} {_UNPINNED}",
    ),
    TaskSpec(
        name="snli_ve",
        kind="image_classification",
        source=HubSource(repository="pingzhili/snli-ve", revision="176e5ba43a2219043ebdaa057d9aaf42d2f34dc8"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"image": "image", "hypothesis": "sentence", "label": "gold_label"},
        labels=("entailment", "neutral", "contradiction"),
        label_values=("entailment", "neutral", "contradiction"),
        num_train_examples=529_527,
        licence="BSD 3-clause (labels); photographs of Flickr30k: research only",
        citation="Xie et al. 2019, arXiv 1901.06706",
        notes="529,527 and 17,858 English sentences on Flickr30k's photographs, which this repository holds too. The "
        "labels are SNLI's, made from captions and not from the photographs; e_snli_ve corrects some. "
        f"{_FROM_CODE}",
    ),
    TaskSpec(
        name="e_snli_ve",
        kind="image_classification",
        source=HubSource(repository="Dec2Enc/e-snli-ve"),
        splits={"train": ("train",), "validation": ("validation",), "test": ("test",)},
        columns={"image": "image", "hypothesis": "hypothesis", "label": "label"},
        labels=("entailment", "neutral", "contradiction"),
        label_values=("entailment", "neutral", "contradiction"),
        num_train_examples=401_717,
        licence="MIT (labels); photographs of Flickr30k: research only",
        citation="Kayser et al. 2021, arXiv 2105.03761",
        notes="401,717, 14,339 and 14,740 English sentences on Flickr30k's photographs: SNLI-VE with wrong neutral "
        f"labels removed or corrected. {_NOT_LOADED} {_UNPINNED}",
    ),
    TaskSpec(
        name="nlvr",
        kind="image_classification",
        source=HubSource(repository="lil-lab/nlvr"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"image": "image", "hypothesis": "sentence", "label": "label"},
        labels=("false", "true"),
        licence="CC BY 4.0",
        citation="Suhr et al. 2017, ACL P17-2034",
        notes="Synthetic images and human-written English sentences. Revision not pinned: its authors publish it on "
        "GitHub (lil-lab/nlvr), and a repository of this name was not verified on the hub; meant for a mirror.",
    ),
    TaskSpec(
        name="nlvr2",
        kind="image_pair_classification",
        source=HubSource(repository="pingzhili/nlvr2", revision="6ad9994db49bf1162feaecacc5554e5ca4a36487"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"image": "image0", "second_image": "image1", "hypothesis": "sentence", "label": "label"},
        labels=("false", "true"),
        label_values=("False", "True"),
        num_train_examples=86_373,
        licence="CC BY 4.0 (sentences); photographs from the web, whose owners keep their rights",
        citation="Suhr et al. 2019, arXiv 1811.00491",
        notes=f"86,373 and 6,982 English sentences, each on a pair of photographs. {_FROM_CODE}",
    ),
    TaskSpec(
        name="vqa_v2",
        kind="visual_question_answering",
        source=HubSource(repository="pingzhili/vqa_v2"),
        splits=_TRAIN_AND_VALIDATION,
        columns={"image": "image", "question": "question", "answers": "answers"},
        metric="soft_accuracy",
        num_answers=3129,
        num_train_examples=443_757,
        licence="CC BY 4.0 (questions and answers); COCO's photographs under Flickr's terms",
        citation="Goyal et al. 2017, arXiv 1612.00837",
        notes="443,757 and 214,354 English questions with ten answers each. The answer vocabulary is the 3,129 most "
        "frequent answers of the train split, as many as in Anderson et al. 2018 (arXiv 1707.07998). Columns and "
        f"splits are those of public programs that load it; its rows were not loaded here. {_UNPINNED}",
    ),
    TaskSpec(
        name="gqa",
        kind="visual_question_answering",
        source=HubSource(
            repository="lmms-lab/GQA",
            config="{split}_balanced_instructions",
            join=JoinedConfig(config="{split}_balanced_images", on="imageId", key="id", columns=("image",)),
        ),
        splits={"train": ("train",), "validation": ("val",)},
        columns={"image": "image", "question": "question", "answers": "answer"},
        metric="accuracy",
        num_answers=1878,
        num_train_examples=943_000,
        licence="MIT (as the repository states); photographs of Visual Genome, CC BY 4.0",
        citation="Hudson and Manning 2019, arXiv 1902.09506",
        notes="The balanced train and val questions, English, with one answer each, made from scene graphs. The answer "
        "vocabulary is the 1,878 most frequent answers of the train split, as many as the paper counts. Questions and "
        "photographs are two configurations, which are joined by `imageId`; testdev and test are not read. "
        f"Configurations, splits and columns are those of public programs that load it; its rows were not loaded here. "
        f"{_UNPINNED}",
    ),
    TaskSpec(
        name="multi30k",
        kind="image_text_retrieval",
        source=CaptionSource(variable="XSTILTS_MULTI30K"),
        splits={"train": ("train",), "validation": ("val",), "test": ("test_2016_flickr",)},
        columns={"image": "image", "caption": "caption", "id": "id"},
        languages=("en", "de", "fr", "cs"),
        metric="recall_at_1",
        num_train_examples=29_000,
        licence="Captions CC BY-NC-SA 4.0; photographs of Flickr30k: research only",
        citation="Elliott et al. 2016, ACL W16-3210; Elliott et al. 2017, W17-4718; Barrault et al. 2018, W18-6402",
        notes="29,000, 1,014 and 1,000 photographs of Flickr30k, each with one English caption and its translations "
        "into German, French and Czech. Training reads English; dev is scored in every language, in blocks of 100. It "
        "is read from your own copy: set XSTILTS_MULTI30K to a copy of https://github.com/multi30k/dataset with "
        "Flickr30k's photographs in a folder flickr30k-images. Revision not pinned: your files are identified by "
        "their content.",
    ),
)
"""Every task with images, or with the captions of images, except the miniature's."""
