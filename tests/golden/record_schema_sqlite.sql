CREATE TABLE events (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	time FLOAT NOT NULL, 
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER, 
	kind VARCHAR(20) NOT NULL, 
	payload JSON NOT NULL, 
	chain VARCHAR(32) DEFAULT '' NOT NULL
)
CREATE TABLE meta (
	schema_version INTEGER NOT NULL
)
CREATE TABLE sweeps (
	name VARCHAR(200) NOT NULL, 
	spec JSON NOT NULL, 
	objective VARCHAR(20) NOT NULL, 
	planned_trials INTEGER NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (name)
)
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
)
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
	set_aside TEXT, 
	PRIMARY KEY (sweep, number), 
	FOREIGN KEY(sweep) REFERENCES sweeps (name)
)
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
)
CREATE TABLE scores (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	metric VARCHAR(20) NOT NULL, 
	language VARCHAR(20) NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (sweep, trial, rung, metric, language), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
)
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
)
CREATE TABLE task_scores (
	sweep VARCHAR(200) NOT NULL, 
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	task VARCHAR(200) NOT NULL, 
	value FLOAT NOT NULL, 
	PRIMARY KEY (sweep, trial, rung, task), 
	FOREIGN KEY(sweep, trial) REFERENCES trials (sweep, number)
)
CREATE INDEX events_by_sweep ON events (sweep, id)
CREATE INDEX trials_by_score ON trials (sweep, state, score)
CREATE INDEX trials_set_aside ON trials (sweep, state) WHERE set_aside IS NOT NULL
