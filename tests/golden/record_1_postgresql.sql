SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.events (
    id bigint NOT NULL,
    "time" double precision NOT NULL,
    sweep character varying(200) NOT NULL,
    trial integer,
    kind character varying(20) NOT NULL,
    payload json NOT NULL
);
CREATE SEQUENCE public.events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.events_id_seq OWNED BY public.events.id;
CREATE TABLE public.measurements (
    sweep character varying(200) NOT NULL,
    trial integer NOT NULL,
    rung integer NOT NULL,
    score double precision NOT NULL,
    num_items integer NOT NULL,
    result json NOT NULL,
    measured_at double precision NOT NULL
);
CREATE TABLE public.meta (
    schema_version integer NOT NULL
);
CREATE TABLE public.scores (
    sweep character varying(200) NOT NULL,
    trial integer NOT NULL,
    rung integer NOT NULL,
    metric character varying(20) NOT NULL,
    language character varying(20) NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.stages (
    sweep character varying(200) NOT NULL,
    trial integer NOT NULL,
    rung integer NOT NULL,
    "position" integer NOT NULL,
    phase character varying(20) NOT NULL,
    key character varying(64) NOT NULL,
    steps integer NOT NULL,
    seconds double precision NOT NULL,
    reused boolean NOT NULL
);
CREATE TABLE public.sweeps (
    name character varying(200) NOT NULL,
    spec json NOT NULL,
    objective character varying(20) NOT NULL,
    planned_trials integer NOT NULL,
    created_at double precision NOT NULL
);
CREATE TABLE public.task_scores (
    sweep character varying(200) NOT NULL,
    trial integer NOT NULL,
    rung integer NOT NULL,
    task character varying(200) NOT NULL,
    value double precision NOT NULL
);
CREATE TABLE public.trials (
    sweep character varying(200) NOT NULL,
    number integer NOT NULL,
    state character varying(20) NOT NULL,
    family character varying(20) NOT NULL,
    assignment json NOT NULL,
    config json NOT NULL,
    sampler json NOT NULL,
    seen json NOT NULL,
    seed bigint NOT NULL,
    attempts integer NOT NULL,
    rung integer,
    score double precision,
    error text,
    proposed_at double precision NOT NULL,
    started_at double precision,
    ended_at double precision,
    cost_paid_seconds double precision NOT NULL,
    cost_if_alone_seconds double precision NOT NULL
);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
INSERT INTO public.events VALUES (1, 1795634500.4730225, 'old', NULL, 'sweep', '{"name":"old","objective":"average","planned_trials":6,"spec":{"space":{"a":1},"trials":6}}');
INSERT INTO public.events VALUES (2, 1795634500.499247, 'old', 0, 'proposed', '{"assignment":{"family":"text","learning_rate":1e-05},"family":"text","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (3, 1795634500.5206163, 'old', 1, 'proposed', '{"assignment":{"family":"multimodal","learning_rate":1e-05},"family":"multimodal","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (4, 1795634500.5321677, 'old', 2, 'proposed', '{"assignment":{"family":"none","learning_rate":1e-05},"family":"none","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (5, 1795634500.5433974, 'old', 3, 'proposed', '{"assignment":{"family":"text","learning_rate":1e-05},"family":"text","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (6, 1795634500.5616496, 'old', 4, 'proposed', '{"assignment":{"family":"control","learning_rate":1e-05},"family":"control","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (7, 1795634500.5792441, 'old', 5, 'proposed', '{"assignment":{"family":"multitask","learning_rate":1e-05},"family":"multitask","seed":7,"seen":{"num_trials":0,"running":[]}}');
INSERT INTO public.events VALUES (8, 1795634500.5934954, 'old', 0, 'running', '{"attempt":0,"host":"vm","process":6429}');
INSERT INTO public.events VALUES (9, 1795634500.6145425, 'old', 0, 'stage', '{"rung":0,"stage":{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0}}');
INSERT INTO public.events VALUES (10, 1795634500.663854, 'old', 0, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}');
INSERT INTO public.events VALUES (11, 1795634500.6940138, 'old', 0, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":1}');
INSERT INTO public.events VALUES (12, 1795634500.6992562, 'old', 0, 'finished', '{"rung":1,"score":0.5}');
INSERT INTO public.events VALUES (13, 1795634500.7138517, 'old', 1, 'running', '{"attempt":0,"host":"vm","process":6429}');
INSERT INTO public.events VALUES (14, 1795634500.7312574, 'old', 1, 'interrupted', '{}');
INSERT INTO public.events VALUES (15, 1795634500.7371857, 'old', 1, 'running', '{"attempt":1,"host":"vm","process":6429}');
INSERT INTO public.events VALUES (16, 1795634500.7641928, 'old', 1, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}');
INSERT INTO public.events VALUES (17, 1795634500.7659512, 'old', 1, 'finished', '{"rung":0,"score":0.6}');
INSERT INTO public.events VALUES (18, 1795634500.783565, 'old', 2, 'running', '{"attempt":0,"host":"vm","process":6429}');
INSERT INTO public.events VALUES (19, 1795634500.7950525, 'old', 2, 'failed', '{"error":"the loss is not finite"}');
INSERT INTO public.events VALUES (20, 1795634500.8032737, 'old', 3, 'running', '{"attempt":0,"host":"vm","process":6429}');
INSERT INTO public.events VALUES (21, 1795634500.8287337, 'old', 3, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}');
INSERT INTO public.events VALUES (22, 1795634500.8392563, 'old', 3, 'pruned', '{"rung":0,"score":0.3}');
INSERT INTO public.events VALUES (23, 1795634500.8474627, 'old', 4, 'running', '{"attempt":0,"host":"vm","process":6429}');
INSERT INTO public.measurements VALUES ('old', 0, 0, 0.4000000000000001, 100, '{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795634500.6343586);
INSERT INTO public.measurements VALUES ('old', 0, 1, 0.5, 100, '{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795634500.679455);
INSERT INTO public.measurements VALUES ('old', 1, 0, 0.6, 100, '{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795634500.7492437);
INSERT INTO public.measurements VALUES ('old', 3, 0, 0.3, 100, '{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795634500.8164415);
INSERT INTO public.meta VALUES (1);
INSERT INTO public.scores VALUES ('old', 0, 0, 'average', '', 0.4000000000000001);
INSERT INTO public.scores VALUES ('old', 0, 0, 'worst', '', 0.30000000000000004);
INSERT INTO public.scores VALUES ('old', 0, 0, 'english', '', 0.5);
INSERT INTO public.scores VALUES ('old', 0, 0, 'accuracy', 'de', 0.4);
INSERT INTO public.scores VALUES ('old', 0, 0, 'accuracy', 'en', 0.5);
INSERT INTO public.scores VALUES ('old', 0, 0, 'accuracy', 'sw', 0.30000000000000004);
INSERT INTO public.scores VALUES ('old', 0, 1, 'average', '', 0.5);
INSERT INTO public.scores VALUES ('old', 0, 1, 'worst', '', 0.4);
INSERT INTO public.scores VALUES ('old', 0, 1, 'english', '', 0.6);
INSERT INTO public.scores VALUES ('old', 0, 1, 'accuracy', 'de', 0.5);
INSERT INTO public.scores VALUES ('old', 0, 1, 'accuracy', 'en', 0.6);
INSERT INTO public.scores VALUES ('old', 0, 1, 'accuracy', 'sw', 0.4);
INSERT INTO public.scores VALUES ('old', 1, 0, 'average', '', 0.6);
INSERT INTO public.scores VALUES ('old', 1, 0, 'worst', '', 0.5);
INSERT INTO public.scores VALUES ('old', 1, 0, 'english', '', 0.7);
INSERT INTO public.scores VALUES ('old', 1, 0, 'accuracy', 'de', 0.6);
INSERT INTO public.scores VALUES ('old', 1, 0, 'accuracy', 'en', 0.7);
INSERT INTO public.scores VALUES ('old', 1, 0, 'accuracy', 'sw', 0.5);
INSERT INTO public.scores VALUES ('old', 3, 0, 'average', '', 0.3);
INSERT INTO public.scores VALUES ('old', 3, 0, 'worst', '', 0.19999999999999998);
INSERT INTO public.scores VALUES ('old', 3, 0, 'english', '', 0.4);
INSERT INTO public.scores VALUES ('old', 3, 0, 'accuracy', 'de', 0.3);
INSERT INTO public.scores VALUES ('old', 3, 0, 'accuracy', 'en', 0.4);
INSERT INTO public.scores VALUES ('old', 3, 0, 'accuracy', 'sw', 0.19999999999999998);
INSERT INTO public.stages VALUES ('old', 0, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, false);
INSERT INTO public.stages VALUES ('old', 0, 0, 1, 'target', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 10, 1, false);
INSERT INTO public.stages VALUES ('old', 0, 0, 2, 'evaluation', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 0, 0.5, false);
INSERT INTO public.stages VALUES ('old', 0, 0, 3, 'evaluation', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 0, 0.25, false);
INSERT INTO public.stages VALUES ('old', 0, 1, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, false);
INSERT INTO public.stages VALUES ('old', 0, 1, 1, 'target', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 60, 5, false);
INSERT INTO public.stages VALUES ('old', 0, 1, 2, 'evaluation', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 0, 0.5, false);
INSERT INTO public.stages VALUES ('old', 1, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, true);
INSERT INTO public.stages VALUES ('old', 1, 0, 1, 'target', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 10, 1, true);
INSERT INTO public.stages VALUES ('old', 1, 0, 2, 'evaluation', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 0, 0.5, true);
INSERT INTO public.stages VALUES ('old', 3, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 10, 2.5, false);
INSERT INTO public.sweeps VALUES ('old', '{"space":{"a":1},"trials":6}', 'average', 6, 1795634500.4719193);
INSERT INTO public.task_scores VALUES ('old', 0, 0, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 0, 1, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 1, 0, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 3, 0, 'mnli', 0.8);
INSERT INTO public.trials VALUES ('old', 2, 'failed', 'none', '{"family":"none","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":null,"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, NULL, NULL, 'the loss is not finite', 1795634500.531421, 1795634500.7794635, 1795634500.7942646, 0, 0);
INSERT INTO public.trials VALUES ('old', 4, 'running', 'control', '{"family":"control","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, NULL, NULL, NULL, 1795634500.5605721, 1795634500.8464825, NULL, 0, 0);
INSERT INTO public.trials VALUES ('old', 5, 'proposed', 'multitask', '{"family":"multitask","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 0, NULL, NULL, NULL, 1795634500.5729039, NULL, NULL, 0, 0);
INSERT INTO public.trials VALUES ('old', 0, 'finished', 'text', '{"family":"text","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, 1, 0.5, NULL, 1795634500.4954329, 1795634500.5921438, 1795634500.6951034, 9.75, 8);
INSERT INTO public.trials VALUES ('old', 1, 'finished', 'multimodal', '{"family":"multimodal","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 2, 0, 0.6, NULL, 1795634500.5197082, 1795634500.7365508, 1795634500.7653725, 0, 4);
INSERT INTO public.trials VALUES ('old', 3, 'pruned', 'text', '{"family":"text","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, 0, 0.3, NULL, 1795634500.5426025, 1795634500.7973864, 1795634500.8312335, 2.5, 2.5);
SELECT pg_catalog.setval('public.events_id_seq', 23, true);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.measurements
    ADD CONSTRAINT measurements_pkey PRIMARY KEY (sweep, trial, rung);
ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_pkey PRIMARY KEY (sweep, trial, rung, metric, language);
ALTER TABLE ONLY public.stages
    ADD CONSTRAINT stages_pkey PRIMARY KEY (sweep, trial, rung, "position");
ALTER TABLE ONLY public.sweeps
    ADD CONSTRAINT sweeps_pkey PRIMARY KEY (name);
ALTER TABLE ONLY public.task_scores
    ADD CONSTRAINT task_scores_pkey PRIMARY KEY (sweep, trial, rung, task);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_pkey PRIMARY KEY (sweep, number);
CREATE INDEX events_by_sweep ON public.events USING btree (sweep, id);
CREATE INDEX trials_by_score ON public.trials USING btree (sweep, state, score);
ALTER TABLE ONLY public.measurements
    ADD CONSTRAINT measurements_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.stages
    ADD CONSTRAINT stages_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.task_scores
    ADD CONSTRAINT task_scores_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_sweep_fkey FOREIGN KEY (sweep) REFERENCES public.sweeps(name);
