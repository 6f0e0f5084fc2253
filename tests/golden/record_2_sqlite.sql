BEGIN TRANSACTION;
CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	time FLOAT NOT NULL, 
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER, 
	kind VARCHAR(20) NOT NULL, 
	payload JSON NOT NULL, 
	chain VARCHAR(32) DEFAULT '' NOT NULL
);
INSERT INTO "events" VALUES(1,1.79565614023279404641e+09,'old',NULL,'sweep','{"name":"old","objective":"average","planned_trials":6,"spec":{"space":{"a":1},"trials":6}}','a00313e1f092d2c830eb6187a41c62e5');
INSERT INTO "events" VALUES(2,1.79565614023772644998e+09,'old',0,'proposed','{"assignment":{"family":"text","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"text","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','73fe49980a515e451cb90583dbf40fac');
INSERT INTO "events" VALUES(3,1.79565614024081158638e+09,'old',1,'proposed','{"assignment":{"family":"multimodal","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"multimodal","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','faa9e77ffa9b558060f33992605ffbf8');
INSERT INTO "events" VALUES(4,1.79565614024239420887e+09,'old',2,'proposed','{"assignment":{"family":"none","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":null,"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"none","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','3ce4c373b19446c030a350d9ed6f4469');
INSERT INTO "events" VALUES(5,1.7956561402440037727e+09,'old',3,'proposed','{"assignment":{"family":"text","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"text","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','a984e603ad7119dd131c892d4eb94432');
INSERT INTO "events" VALUES(6,1.79565614024547433856e+09,'old',4,'proposed','{"assignment":{"family":"control","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"control","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','39e8c8546c473f02ec8bf1d540724624');
INSERT INTO "events" VALUES(7,1.79565614024703860277e+09,'old',5,'proposed','{"assignment":{"family":"multitask","learning_rate":1e-05},"config":{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}},"family":"multitask","sampler":{},"seed":7,"seen":{"num_trials":0,"running":[]}}','7ccbb291223d5dcbb37b23b27088c14b');
INSERT INTO "events" VALUES(8,1.79565614024840545658e+09,'old',0,'running','{"attempt":0,"host":"vm","process":14417}','7f55a31cc18590cab1ad9f5a66fca508');
INSERT INTO "events" VALUES(9,1.79565614025223350526e+09,'old',0,'stage','{"rung":0,"stage":{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0}}','3ea3fe3ae681ec80ac64669b695641bd');
INSERT INTO "events" VALUES(10,1.79565614025458979608e+09,'old',0,'measured','{"result":{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}','9832211be0c42512cc9eacbb917a0d0c');
INSERT INTO "events" VALUES(11,1.79565614025867223736e+09,'old',0,'measured','{"result":{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":1}','92a3e7be5b680cd2898fbc71d3d8ddf5');
INSERT INTO "events" VALUES(12,1.79565614025957322121e+09,'old',0,'finished','{"rung":1,"score":0.5}','fe170249ecf43f54aff1a2a6ad1d8fac');
INSERT INTO "events" VALUES(13,1.79565614026160573959e+09,'old',1,'running','{"attempt":0,"host":"vm","process":14417}','2424abbbe8e9a5578380572ecac0bca0');
INSERT INTO "events" VALUES(14,1.7956561402645373344e+09,'old',1,'interrupted','{}','41d8698df0ac5ee464fb8dfe22297b04');
INSERT INTO "events" VALUES(15,1.79565614026627874376e+09,'old',1,'running','{"attempt":1,"host":"vm","process":14417}','dffbfa4e1108761c6bdccd310ab15dce');
INSERT INTO "events" VALUES(16,1.79565614026836609844e+09,'old',1,'measured','{"result":{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}','523f0739526a8ae3f9938fe7e569ea01');
INSERT INTO "events" VALUES(17,1.79565614026952719691e+09,'old',1,'finished','{"rung":0,"score":0.6}','a0409a5cae6d3ebe57ced23efde293d4');
INSERT INTO "events" VALUES(18,1.795656140270929575e+09,'old',2,'running','{"attempt":0,"host":"vm","process":14417}','b6520d531a01cc080139ff2543ffed93');
INSERT INTO "events" VALUES(19,1.79565614027230358125e+09,'old',2,'failed','{"error":"the loss is not finite"}','25630122cd1d8ef8ce8fa6e93278a923');
INSERT INTO "events" VALUES(20,1.79565614027329206467e+09,'old',3,'running','{"attempt":0,"host":"vm","process":14417}','d17688166f6af9c170f6f60a4852f303');
INSERT INTO "events" VALUES(21,1.79565614027451372143e+09,'old',3,'measured','{"result":{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}},"rung":0}','e94f8a5863006f8113fff3d009e3b0f4');
INSERT INTO "events" VALUES(22,1.79565614027649402611e+09,'old',3,'pruned','{"rung":0,"score":0.3}','7b7cd74db2bd10864896377658f401e8');
INSERT INTO "events" VALUES(23,1.79565614027792763707e+09,'old',4,'running','{"attempt":0,"host":"vm","process":14417}','896045c689d30465b4dde5e3b7b23d5f');
CREATE TABLE measurements (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	score FLOAT NOT NULL, 
	num_items INTEGER NOT NULL, 
	result JSON NOT NULL, 
	measured_at FLOAT NOT NULL, 
	PRIMARY KEY (sweep, trial, rung), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
);
INSERT INTO "measurements" VALUES('old',0,0,4.00000000000000077715e-01,100,'{"evaluations":{},"languages":{"de":0.4,"en":0.5,"sw":0.30000000000000004},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":false,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0},{"further":"paws_x","is_trunk":false,"key":"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd","phase":"evaluation","reused":false,"seconds":0.25,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}',1.79565614025458979608e+09);
INSERT INTO "measurements" VALUES('old',0,1,0.5,100,'{"evaluations":{},"languages":{"de":0.5,"en":0.6,"sw":0.4},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee","phase":"target","reused":false,"seconds":5.0,"seconds_before":2.5,"steps":60,"steps_before":30},{"further":"","is_trunk":false,"key":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff","phase":"evaluation","reused":false,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}',1.79565614025867223736e+09);
INSERT INTO "measurements" VALUES('old',1,0,0.6,100,'{"evaluations":{},"languages":{"de":0.6,"en":0.7,"sw":0.5},"num_items":100,"stages":[{"further":"","is_trunk":true,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":true,"seconds":2.5,"seconds_before":0.0,"steps":30,"steps_before":0},{"further":"","is_trunk":false,"key":"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb","phase":"target","reused":true,"seconds":1.0,"seconds_before":2.5,"steps":10,"steps_before":30},{"further":"","is_trunk":false,"key":"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc","phase":"evaluation","reused":true,"seconds":0.5,"seconds_before":0.0,"steps":0,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}',1.79565614026836609844e+09);
INSERT INTO "measurements" VALUES('old',3,0,0.3,100,'{"evaluations":{},"languages":{"de":0.3,"en":0.4,"sw":0.19999999999999998},"num_items":100,"stages":[{"further":"","is_trunk":false,"key":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","phase":"target","reused":false,"seconds":2.5,"seconds_before":0.0,"steps":10,"steps_before":0}],"task_scores":{"mnli":0.8},"trained":{}}',1.79565614027451372143e+09);
CREATE TABLE meta (
	schema_version INTEGER NOT NULL
);
INSERT INTO "meta" VALUES(2);
CREATE TABLE owners (
	sweep VARCHAR(200) NOT NULL, 
	fence BIGINT NOT NULL, 
	token VARCHAR(32), 
	host VARCHAR(200) NOT NULL, 
	process VARCHAR(200) NOT NULL, 
	since FLOAT NOT NULL, 
	beat BIGINT NOT NULL, 
	PRIMARY KEY (sweep), 
	FOREIGN KEY(sweep) REFERENCES sweeps (name)
);
CREATE TABLE scores (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	metric VARCHAR(20) NOT NULL, 
	language VARCHAR(20) NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (sweep, trial, rung, metric, language), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
);
INSERT INTO "scores" VALUES('old',0,0,'average','',4.00000000000000077715e-01);
INSERT INTO "scores" VALUES('old',0,0,'worst','',3.00000000000000044408e-01);
INSERT INTO "scores" VALUES('old',0,0,'english','',0.5);
INSERT INTO "scores" VALUES('old',0,0,'accuracy','de',0.4);
INSERT INTO "scores" VALUES('old',0,0,'accuracy','en',0.5);
INSERT INTO "scores" VALUES('old',0,0,'accuracy','sw',3.00000000000000044408e-01);
INSERT INTO "scores" VALUES('old',0,1,'average','',0.5);
INSERT INTO "scores" VALUES('old',0,1,'worst','',0.4);
INSERT INTO "scores" VALUES('old',0,1,'english','',0.6);
INSERT INTO "scores" VALUES('old',0,1,'accuracy','de',0.5);
INSERT INTO "scores" VALUES('old',0,1,'accuracy','en',0.6);
INSERT INTO "scores" VALUES('old',0,1,'accuracy','sw',0.4);
INSERT INTO "scores" VALUES('old',1,0,'average','',0.6);
INSERT INTO "scores" VALUES('old',1,0,'worst','',0.5);
INSERT INTO "scores" VALUES('old',1,0,'english','',0.7);
INSERT INTO "scores" VALUES('old',1,0,'accuracy','de',0.6);
INSERT INTO "scores" VALUES('old',1,0,'accuracy','en',0.7);
INSERT INTO "scores" VALUES('old',1,0,'accuracy','sw',0.5);
INSERT INTO "scores" VALUES('old',3,0,'average','',0.3);
INSERT INTO "scores" VALUES('old',3,0,'worst','',1.99999999999999983346e-01);
INSERT INTO "scores" VALUES('old',3,0,'english','',0.4);
INSERT INTO "scores" VALUES('old',3,0,'accuracy','de',0.3);
INSERT INTO "scores" VALUES('old',3,0,'accuracy','en',0.4);
INSERT INTO "scores" VALUES('old',3,0,'accuracy','sw',1.99999999999999983346e-01);
CREATE TABLE stages (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	position INTEGER NOT NULL, 
	phase VARCHAR(20) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	steps INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	reused BOOLEAN NOT NULL, 
	is_trunk BOOLEAN DEFAULT 0 NOT NULL, 
	steps_before INTEGER DEFAULT '0' NOT NULL, 
	seconds_before FLOAT DEFAULT '0' NOT NULL, 
	further VARCHAR(200) DEFAULT '' NOT NULL, 
	PRIMARY KEY (sweep, trial, rung, position), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
);
INSERT INTO "stages" VALUES('old',0,0,0,'target','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',30,2.5,0,1,0,0.0,'');
INSERT INTO "stages" VALUES('old',0,0,1,'target','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',10,1.0,0,0,30,2.5,'');
INSERT INTO "stages" VALUES('old',0,0,2,'evaluation','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',0,0.5,0,0,0,0.0,'');
INSERT INTO "stages" VALUES('old',0,0,3,'evaluation','dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd',0,0.25,0,0,0,0.0,'paws_x');
INSERT INTO "stages" VALUES('old',0,1,0,'target','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',30,2.5,0,1,0,0.0,'');
INSERT INTO "stages" VALUES('old',0,1,1,'target','eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee',60,5.0,0,0,30,2.5,'');
INSERT INTO "stages" VALUES('old',0,1,2,'evaluation','ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff',0,0.5,0,0,0,0.0,'');
INSERT INTO "stages" VALUES('old',1,0,0,'target','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',30,2.5,1,1,0,0.0,'');
INSERT INTO "stages" VALUES('old',1,0,1,'target','bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',10,1.0,1,0,30,2.5,'');
INSERT INTO "stages" VALUES('old',1,0,2,'evaluation','cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc',0,0.5,1,0,0,0.0,'');
INSERT INTO "stages" VALUES('old',3,0,0,'target','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',10,2.5,0,0,0,0.0,'');
CREATE TABLE sweeps (
	name VARCHAR(200) NOT NULL, 
	spec JSON NOT NULL, 
	objective VARCHAR(20) NOT NULL, 
	planned_trials INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "sweeps" VALUES('old','{"space":{"a":1},"trials":6}','average',6,1.79565614023279404641e+09);
CREATE TABLE task_scores (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	task VARCHAR(200) NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (sweep, trial, rung, task), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
);
INSERT INTO "task_scores" VALUES('old',0,0,'mnli',0.8);
INSERT INTO "task_scores" VALUES('old',0,1,'mnli',0.8);
INSERT INTO "task_scores" VALUES('old',1,0,'mnli',0.8);
INSERT INTO "task_scores" VALUES('old',3,0,'mnli',0.8);
CREATE TABLE trials (
	sweep VARCHAR(200) NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(20) NOT NULL, 
	family VARCHAR(20) NOT NULL, 
	assignment JSON NOT NULL, 
	config JSON NOT NULL, 
	sampler JSON NOT NULL, 
	seen JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	attempts INTEGER NOT NULL, 
	rung INTEGER, 
	score FLOAT, 
	error TEXT, 
	proposed_at FLOAT NOT NULL, 
	started_at FLOAT, 
	ended_at FLOAT, 
	cost_paid_seconds FLOAT NOT NULL, 
	cost_if_alone_seconds FLOAT NOT NULL, 
	steps_paid INTEGER DEFAULT '0' NOT NULL, 
	steps_if_alone INTEGER DEFAULT '0' NOT NULL, 
	PRIMARY KEY (sweep, number), 
	FOREIGN KEY(sweep) REFERENCES sweeps (name)
);
INSERT INTO "trials" VALUES('old',0,'finished','text','{"family":"text","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,1,1,0.5,NULL,1.79565614023772644998e+09,1.79565614024840545658e+09,1.79565614025957322121e+09,9.75,8.0,100,90);
INSERT INTO "trials" VALUES('old',1,'finished','multimodal','{"family":"multimodal","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,2,0,0.6,NULL,1.79565614024081158638e+09,1.79565614026627874376e+09,1.79565614026952719691e+09,0.0,4.0,0,40);
INSERT INTO "trials" VALUES('old',2,'failed','none','{"family":"none","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":null,"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,1,NULL,NULL,'the loss is not finite',1.79565614024239420887e+09,1.795656140270929575e+09,1.79565614027230358125e+09,0.0,0.0,0,0);
INSERT INTO "trials" VALUES('old',3,'pruned','text','{"family":"text","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,1,0,0.3,NULL,1.7956561402440037727e+09,1.79565614027329206467e+09,1.79565614027649402611e+09,2.5,2.5,10,10);
INSERT INTO "trials" VALUES('old',4,'running','control','{"family":"control","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,1,NULL,NULL,NULL,1.79565614024547433856e+09,1.79565614027792763707e+09,NULL,0.0,0.0,0,0);
INSERT INTO "trials" VALUES('old',5,'proposed','multitask','{"family":"multitask","learning_rate":1e-05}','{"encoder":{"name":"FacebookAI/xlm-roberta-large","revision":null},"engine":{"checkpoint_seconds":180.0,"device":"auto","gradient_checkpointing":false,"num_workers":1,"offload":"none","precision":"float32","stored_weights":"float32","threads_per_rank":null,"tokens_per_micro_batch":4096,"zero_stage":0},"evaluation":{"languages":["de","en","sw"],"layer":null,"max_length":128,"num_items":null,"similarity":"cosine","split":"validation","task":"xnli","tokens_per_micro_batch":4096},"further":{},"intermediate":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":null,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"hellaswag":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":10,"vision":null,"weight_decay":0.0},"pretraining":null,"target":{"adam_beta2":0.999,"adam_epsilon":1e-08,"batch_size":32,"beside":null,"dropout":0.1,"epochs":2.0,"freeze_embeddings":false,"freeze_layers":0,"learning_rate":1e-05,"max_gradient_norm":1.0,"max_length":128,"mixture":{"mnli":1.0},"num_dev_items":1000,"num_examples":null,"pooling":"mean","sampling":{"cap":null,"kind":"given","temperature":null},"schedule":{"decay_fraction":0.2,"kind":"linear","warmup_fraction":0.1,"warmup_steps":null},"seed":0,"steps":null,"vision":null,"weight_decay":0.0}}','{}','{"num_trials":0,"running":[]}',7,0,NULL,NULL,NULL,1.79565614024703860277e+09,NULL,NULL,0.0,0.0,0,0);
CREATE INDEX events_by_sweep ON events (sweep, id);
CREATE INDEX trials_by_score ON trials (sweep, state, score);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('events',23);
COMMIT;
