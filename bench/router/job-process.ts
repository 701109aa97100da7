import { answerJobs } from "../lib/workers.ts";
import { playJob } from "./job.ts";

answerJobs(playJob);
