CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`tenant` text NOT NULL,
	`created_at` integer NOT NULL,
	`request_key` text,
	`request_digest` text
);
--> statement-breakpoint
CREATE INDEX `runs_tenant` ON `runs` (`tenant`,`id`);--> statement-breakpoint
CREATE UNIQUE INDEX `runs_request` ON `runs` (`tenant`,`request_key`);