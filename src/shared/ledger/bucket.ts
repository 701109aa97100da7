import type { Seconds } from "../units.ts";

/** A token bucket whose capacity is what may pass in a minute, refilled evenly. Null: full. */
export type Bucket = { readonly level: number; readonly at: Seconds } | null;

const MINUTE: Seconds = 60;

/** What may be drawn now. A clock that went back refills nothing. */
export function levelOf(bucket: Bucket, perMinute: number, now: Seconds): number {
	if (!bucket) return perMinute;
	const refilled = (Math.max(0, now - bucket.at) * perMinute) / MINUTE;
	return Math.min(perMinute, bucket.level + refilled);
}

/** The bucket after `amount` was drawn; negative puts it back. Without a limit nothing is counted. */
export function drawn(bucket: Bucket, perMinute: number | null, amount: number, now: Seconds): Bucket {
	if (perMinute === null || amount === 0) return bucket;
	const level = Math.min(perMinute, levelOf(bucket, perMinute, now) - amount);
	return { level, at: Math.max(now, bucket?.at ?? now) };
}

/** Until `amount` can be drawn. A whole minute for more than the bucket ever holds. */
export function secondsUntil(bucket: Bucket, perMinute: number, amount: number, now: Seconds): Seconds {
	const missing = Math.min(amount, perMinute) - levelOf(bucket, perMinute, now);
	return amount > perMinute ? MINUTE : Math.max(0, (missing * MINUTE) / perMinute);
}
