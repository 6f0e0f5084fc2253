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
    payload json NOT NULL,
    chain character varying(32) DEFAULT ''::character varying NOT NULL
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
CREATE TABLE public.owners (
    sweep character varying(200) NOT NULL,
    fence bigint NOT NULL,
    token character varying(32),
    host character varying(200) NOT NULL,
    process character varying(200) NOT NULL,
    since double precision NOT NULL,
    beat bigint NOT NULL
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
    reused boolean NOT NULL,
    is_trunk boolean DEFAULT false NOT NULL,
    steps_before integer DEFAULT 0 NOT NULL,
    seconds_before double precision DEFAULT '0'::double precision NOT NULL,
    further character varying(200) DEFAULT ''::character varying NOT NULL
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
    cost_if_alone_seconds double precision NOT NULL,
    steps_paid integer DEFAULT 0 NOT NULL,
    steps_if_alone integer DEFAULT 0 NOT NULL
);
ALTER TABLE ONLY public.events ALTER COLUMN id SET DEFAULT nextval('public.events_id_seq'::regclass);
INSERT INTO public.events VALUES (1, 1795656207.0720057, 'old', NULL, 'sweep', '{"name":"old","objective":"average","planned_trials":6,"spec":{"space":{"a":1},"trials":6}}', '6ae436d408b7173b979ecc55290aa27a');
INSERT INTO public.events VALUES (2, 1795656207.0801437, 'old', 0, 'proposed', '{"assignment":{"family":"text","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"text","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', '40cd5d05064089ccbbaaf30bf816c3ce');
INSERT INTO public.events VALUES (3, 1795656207.085367, 'old', 1, 'proposed', '{"assignment":{"family":"multimodal","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"multimodal","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', '0c7ad2fba258d24a3cd76aeac05c269d');
INSERT INTO public.events VALUES (4, 1795656207.0883663, 'old', 2, 'proposed', '{"assignment":{"family":"none","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":null,"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"none","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', '987b7bad6af31477f6d57d4484d5929a');
INSERT INTO public.events VALUES (5, 1795656207.091336, 'old', 3, 'proposed', '{"assignment":{"family":"text","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"text","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', '0d1344bf2738e8e122429701801ff4b9');
INSERT INTO public.events VALUES (21, 1795656207.145946, 'old', 3, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}', '2c35f3fef9fa902e3ca19126c66284c4');
INSERT INTO public.events VALUES (22, 1795656207.1499872, 'old', 3, 'pruned', '{"rung":0,"score":0.3}', '6288a1de24fa25352faeccf0b9e549ca');
INSERT INTO public.events VALUES (23, 1795656207.1520052, 'old', 4, 'running', '{"attempt":0,"host":"vm","process":15193}', '7fbf562a40c8a2f9ccb6c88cfdfc7a79');
INSERT INTO public.events VALUES (6, 1795656207.0954924, 'old', 4, 'proposed', '{"assignment":{"family":"control","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"control","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', '6188fd8b8f685bf7cceda671a100f669');
INSERT INTO public.events VALUES (7, 1795656207.0989869, 'old', 5, 'proposed', '{"assignment":{"family":"multitask","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"multitask","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}', 'c702645f1a38b6ed15254d52e7fcbda3');
INSERT INTO public.events VALUES (8, 1795656207.1023219, 'old', 0, 'running', '{"attempt":0,"host":"vm","process":15193}', '4f1bcde5a3a257408bbba6ad6934462a');
INSERT INTO public.events VALUES (9, 1795656207.1095197, 'old', 0, 'stage', '{"rung":0,"stage":{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0}}', 'e51ce2d4d6194ab1daeef0f770323d62');
INSERT INTO public.events VALUES (10, 1795656207.112884, 'old', 0, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}', '42098602eca7a5617d13ecd6678a4f5c');
INSERT INTO public.events VALUES (11, 1795656207.121783, 'old', 0, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":1}', '4a07fc3d7eb57941c19ad61287f22090');
INSERT INTO public.events VALUES (12, 1795656207.124609, 'old', 0, 'finished', '{"rung":1,"score":0.5}', 'dcd19b0a904fc669da229ecdb451bd4a');
INSERT INTO public.events VALUES (13, 1795656207.1270425, 'old', 1, 'running', '{"attempt":0,"host":"vm","process":15193}', '87c13a16114737d3356c7ba7dd05ab40');
INSERT INTO public.events VALUES (14, 1795656207.1299381, 'old', 1, 'interrupted', '{}', 'cd88d4c3e90fc48bec76863213a914b2');
INSERT INTO public.events VALUES (15, 1795656207.131994, 'old', 1, 'running', '{"attempt":1,"host":"vm","process":15193}', 'db740726b9827edebc4cb2a73c58d654');
INSERT INTO public.events VALUES (16, 1795656207.1345022, 'old', 1, 'measured', '{"result":{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}', '241296363d8eae238a09382a0a188324');
INSERT INTO public.events VALUES (17, 1795656207.137287, 'old', 1, 'finished', '{"rung":0,"score":0.6}', 'fea805a12fe2cfe9295cff532831216c');
INSERT INTO public.events VALUES (18, 1795656207.1393409, 'old', 2, 'running', '{"attempt":0,"host":"vm","process":15193}', '212a31a864c0bce6043d64b5acce980d');
INSERT INTO public.events VALUES (19, 1795656207.1412585, 'old', 2, 'failed', '{"error":"the loss is not finite"}', 'cb4d74aa44b19f9aacb54097dee9a057');
INSERT INTO public.events VALUES (20, 1795656207.143314, 'old', 3, 'running', '{"attempt":0,"host":"vm","process":15193}', '39a932fd0236a23138e14dd4f50b5fd1');
INSERT INTO public.measurements VALUES ('old', 0, 0, 0.4000000000000001, 100, '{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795656207.112884);
INSERT INTO public.measurements VALUES ('old', 0, 1, 0.5, 100, '{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795656207.121783);
INSERT INTO public.measurements VALUES ('old', 1, 0, 0.6, 100, '{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795656207.1345022);
INSERT INTO public.measurements VALUES ('old', 3, 0, 0.3, 100, '{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}', 1795656207.145946);
INSERT INTO public.meta VALUES (2);
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
INSERT INTO public.stages VALUES ('old', 0, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, false, true, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 0, 0, 1, 'target', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 10, 1, false, false, 30, 2.5, '');
INSERT INTO public.stages VALUES ('old', 0, 0, 2, 'evaluation', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 0, 0.5, false, false, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 0, 0, 3, 'evaluation', 'dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd', 0, 0.25, false, false, 0, 0, 'paws_x');
INSERT INTO public.stages VALUES ('old', 0, 1, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, false, true, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 0, 1, 1, 'target', 'eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee', 60, 5, false, false, 30, 2.5, '');
INSERT INTO public.stages VALUES ('old', 0, 1, 2, 'evaluation', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff', 0, 0.5, false, false, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 1, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 30, 2.5, true, true, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 1, 0, 1, 'target', 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', 10, 1, true, false, 30, 2.5, '');
INSERT INTO public.stages VALUES ('old', 1, 0, 2, 'evaluation', 'cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc', 0, 0.5, true, false, 0, 0, '');
INSERT INTO public.stages VALUES ('old', 3, 0, 0, 'target', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 10, 2.5, false, false, 0, 0, '');
INSERT INTO public.sweeps VALUES ('old', '{"space":{"a":1},"trials":6}', 'average', 6, 1795656207.0720057);
INSERT INTO public.task_scores VALUES ('old', 0, 0, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 0, 1, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 1, 0, 'mnli', 0.8);
INSERT INTO public.task_scores VALUES ('old', 3, 0, 'mnli', 0.8);
INSERT INTO public.trials VALUES ('old', 2, 'failed', 'none', '{"family":"none","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":null,"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, NULL, NULL, 'the loss is not finite', 1795656207.0883663, 1795656207.1393409, 1795656207.1412585, 0, 0, 0, 0);
INSERT INTO public.trials VALUES ('old', 4, 'running', 'control', '{"family":"control","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, NULL, NULL, NULL, 1795656207.0954924, 1795656207.1520052, NULL, 0, 0, 0, 0);
INSERT INTO public.trials VALUES ('old', 5, 'proposed', 'multitask', '{"family":"multitask","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 0, NULL, NULL, NULL, 1795656207.0989869, NULL, NULL, 0, 0, 0, 0);
INSERT INTO public.trials VALUES ('old', 0, 'finished', 'text', '{"family":"text","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, 1, 0.5, NULL, 1795656207.0801437, 1795656207.1023219, 1795656207.124609, 9.75, 8, 100, 90);
INSERT INTO public.trials VALUES ('old', 1, 'finished', 'multimodal', '{"family":"multimodal","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 2, 0, 0.6, NULL, 1795656207.085367, 1795656207.131994, 1795656207.137287, 0, 4, 0, 40);
INSERT INTO public.trials VALUES ('old', 3, 'pruned', 'text', '{"family":"text","learning_rate":1e-05}', '{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}', '{}', '{"num_trials":0,"running":[]}', 7, 1, 0, 0.3, NULL, 1795656207.091336, 1795656207.143314, 1795656207.1499872, 2.5, 2.5, 10, 10);
SELECT pg_catalog.setval('public.events_id_seq', 23, true);
ALTER TABLE ONLY public.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.measurements
    ADD CONSTRAINT measurements_pkey PRIMARY KEY (sweep, trial, rung);
ALTER TABLE ONLY public.owners
    ADD CONSTRAINT owners_pkey PRIMARY KEY (sweep);
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
ALTER TABLE ONLY public.owners
    ADD CONSTRAINT owners_sweep_fkey FOREIGN KEY (sweep) REFERENCES public.sweeps(name);
ALTER TABLE ONLY public.scores
    ADD CONSTRAINT scores_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.stages
    ADD CONSTRAINT stages_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.task_scores
    ADD CONSTRAINT task_scores_sweep_trial_fkey FOREIGN KEY (sweep, trial) REFERENCES public.trials(sweep, number);
ALTER TABLE ONLY public.trials
    ADD CONSTRAINT trials_sweep_fkey FOREIGN KEY (sweep) REFERENCES public.sweeps(name);
