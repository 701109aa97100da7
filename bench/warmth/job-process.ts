// Plays jobs in a process of its own. Its argument is the data directory.
import { answerJobs } from "../lib/workers.ts";
import { runJob, type Job } from "./job.ts";
import { DataStore } from "./traffic/load.ts";

const store = new DataStore(process.argv[2]!);

answerJobs((job: Job) => runJob(store, job));
