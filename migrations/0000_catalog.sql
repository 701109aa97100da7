CREATE TABLE `catalog_versions` (
	`version` integer PRIMARY KEY NOT NULL,
	`document` text NOT NULL,
	`created_at` integer NOT NULL,
	`origin` text NOT NULL,
	`rolled_back_to` integer,
	`note` text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE TABLE `keys` (
	`id` text PRIMARY KEY NOT NULL,
	`hash` text NOT NULL,
	`tenant` text NOT NULL,
	`display` text NOT NULL,
	`settings` text NOT NULL,
	`created_at` integer NOT NULL,
	`revoked_at` integer,
	`revision` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `keys_hash_unique` ON `keys` (`hash`);--> statement-breakpoint
CREATE UNIQUE INDEX `keys_revision_unique` ON `keys` (`revision`);--> statement-breakpoint
CREATE INDEX `keys_tenant` ON `keys` (`tenant`,`id`);