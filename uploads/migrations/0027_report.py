import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import processing.clock


class Migration(migrations.Migration):
    dependencies = [
        ("uploads", "0026_processes"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="NightlyFigures",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("images", models.PositiveBigIntegerField(default=0)),
                ("bytes_of_originals", models.PositiveBigIntegerField(default=0)),
                ("bytes_of_renditions", models.PositiveBigIntegerField(default=0)),
                ("unknown_files", models.PositiveIntegerField(default=0)),
                ("lost_originals", models.PositiveIntegerField(default=0)),
                ("sampled", models.PositiveIntegerField(default=0)),
                ("broken", models.JSONField(default=list)),
            ],
            options={
                "verbose_name_plural": "nightly figures",
                "ordering": ["-day"],
            },
        ),
        migrations.AddField(
            model_name="preferences",
            name="reports",
            field=models.BooleanField(db_default=True, default=True),
        ),
        migrations.CreateModel(
            name="Report",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "period",
                    models.CharField(choices=[("daily", "daily"), ("weekly", "weekly")], max_length=8),
                ),
                ("first_day", models.DateField()),
                ("last_day", models.DateField()),
                ("figures", models.JSONField(default=dict)),
                ("created_at", models.DateTimeField(default=processing.clock.now)),
            ],
            options={
                "ordering": ["-last_day", "-id"],
                "constraints": [
                    models.UniqueConstraint(fields=("period", "first_day"), name="one_report_a_period")
                ],
            },
        ),
        migrations.CreateModel(
            name="ReportMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(db_index=True, null=True)),
                ("sent_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True)),
                (
                    "person",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="report_mails",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "report",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="mails", to="uploads.report"
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("report", "person"), name="one_mail_a_report_and_person")
                ],
            },
        ),
    ]
