import type { RunPort } from "./run.messages.ts";
import type { ShardPort } from "./shard.messages.ts";

/** The object of a run, by its id. */
export function runOf(env: Pick<Env, "RUN">, run: string): RunPort {
	// The platform's type of a stub goes too deep for a specification's JSON.
	const stub: unknown = env.RUN.getByName(run);
	return stub as RunPort;
}

/** The object that holds one range of a run's parameters. */
export function shardOf(env: Pick<Env, "SHARD">, run: string, shard: number): ShardPort {
	return env.SHARD.getByName(`${run}/${shard}`);
}
