-- Version 5: sums of days that are over, in one piece for each cube, over all writers: reports over months read these
-- instead of thousands of cells. Made from the cells, which stay and count: a piece is read only while `hours` still says
-- what it said when the piece was made, so a late row, also one of a process of the previous release, puts it out of use.
CREATE TABLE days (
    cube smallint NOT NULL,
    day integer NOT NULL,               -- since 1970-01-01 UTC
    calls numeric NOT NULL,             -- sums of the day's `hours`: which rows are counted here
    digest numeric NOT NULL,
    cells bytea NOT NULL,               -- packed; first byte: version of the packing
    PRIMARY KEY (cube, day)
);
ALTER TABLE days ALTER COLUMN cells SET STORAGE EXTERNAL; -- packed as it is, and read often
