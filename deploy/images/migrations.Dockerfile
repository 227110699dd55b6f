# syntax=docker/dockerfile:1
# Flyway with the scripts of this commit: docker build -f deploy/images/migrations.Dockerfile .
FROM maven:3.9.9-eclipse-temurin-17 AS flyway
WORKDIR /src
COPY deploy/images/flyway/pom.xml ./
RUN --mount=type=cache,target=/var/cache/maven mvn -q -B -Dmaven.repo.local=/var/cache/maven dependency:copy-dependencies -DoutputDirectory=/flyway/lib

FROM eclipse-temurin:17.0.13_11-jre-jammy
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin kubetrader
COPY --from=flyway /flyway/lib /flyway/lib
COPY deploy/images/flyway/conf /flyway/conf
COPY sql /flyway/sql
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["java", "-cp", "/flyway/lib/*", "org.flywaydb.commandline.Main"]
